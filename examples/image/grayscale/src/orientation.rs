//! How a camera was held, as Exif says it beside the pixels of a JPEG, and pixels turned by it.

/// Exif's numbers: 1 is upright, 2 to 8 are the other ways to turn and mirror a picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u16);

const UPRIGHT: Orientation = Orientation(1);
const TAG: u16 = 0x0112;

impl Orientation {
    /// Reads it from Exif's bytes, which begin with a TIFF header. What cannot be read is upright.
    pub fn of(exif: &[u8]) -> Orientation {
        Self::read(exif).filter(|found| (1..=8).contains(&found.0)).unwrap_or(UPRIGHT)
    }

    fn read(exif: &[u8]) -> Option<Orientation> {
        let little = match exif.get(..4)? {
            b"II\x2a\x00" => true,
            b"MM\x00\x2a" => false,
            _ => return None,
        };
        let short = |at: usize| {
            let bytes: [u8; 2] = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
            Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
        };
        let long = |at: usize| {
            let bytes: [u8; 4] = exif.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
        };
        // The first directory: a count, then entries of 12 bytes, tag, type, count and value.
        let directory = long(4)? as usize;
        let first = directory.checked_add(2)?;
        (0..usize::from(short(directory)?))
            .map(|entry| first.checked_add(entry * 12))
            .find(|at| at.and_then(short) == Some(TAG))
            .flatten()
            .and_then(|at| short(at + 8))
            .map(Orientation)
    }

    /// The pixels as they are to be seen, one byte each, with their width and height.
    pub fn apply(self, pixels: Vec<u8>, width: usize, height: usize) -> (Vec<u8>, usize, usize) {
        if self == UPRIGHT {
            return (pixels, width, height);
        }
        let (right, bottom) = (width - 1, height - 1);
        let turned = self.0 >= 5;
        let (seen_width, seen_height) = if turned { (height, width) } else { (width, height) };
        let mut seen = Vec::with_capacity(pixels.len());
        for y in 0..seen_height {
            for x in 0..seen_width {
                let (from_x, from_y) = match self.0 {
                    2 => (right - x, y),
                    3 => (right - x, bottom - y),
                    4 => (x, bottom - y),
                    5 => (y, x),
                    6 => (y, bottom - x),
                    7 => (right - y, bottom - x),
                    _ => (right - y, x),
                };
                seen.push(pixels[from_y * width + from_x]);
            }
        }
        (seen, seen_width, seen_height)
    }
}
