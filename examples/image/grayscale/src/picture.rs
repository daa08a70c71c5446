//! A picture in, the same picture in shades of gray out.
//!
//! How large a picture may become is decided by its header, before memory is taken for its pixels: a small file can claim
//! to be a huge picture. Nothing that a file says beside its pixels (texts, profiles) is unpacked.

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, DecodingError, Limits, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::orientation::Orientation;

/// The largest picture, in pixels: what cameras make. Its pixels take 100 MB as colors.
pub const MAX_PIXELS: u64 = 25_000_000;
/// Passes of a progressive JPEG. Each goes over the whole picture and may be a few bytes of the file.
const MAX_SCANS: usize = 64;

pub struct Gray {
    pub format: &'static str,
    pub width: u32,
    pub height: u32,
    pub png: Vec<u8>,
}

/// Why there is no gray picture, in words for people.
pub enum Problem {
    /// Not a PNG and not a JPEG.
    Unknown(String),
    TooLarge(String),
    Broken(String),
}

/// Gray pixels, with or without an alpha beside each.
struct Pixels {
    width: u32,
    height: u32,
    color: ColorType,
    bytes: Vec<u8>,
}

pub fn make_gray(file: &[u8]) -> Result<Gray, Problem> {
    let (format, pixels) = if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        ("PNG", from_png(file)?)
    } else if file.starts_with(b"\xff\xd8\xff") {
        ("JPEG", from_jpeg(file)?)
    } else if file.is_empty() {
        return Err(Problem::Broken("there is no picture in the request: send a PNG or a JPEG as its body".into()));
    } else {
        return Err(Problem::Unknown("not a PNG and not a JPEG".into()));
    };
    let png = to_png(&pixels).map_err(|error| Problem::Broken(format!("the gray picture was not written: {error}")))?;
    Ok(Gray { format, width: pixels.width, height: pixels.height, png })
}

fn check_size(width: u64, height: u64) -> Result<(), Problem> {
    if width * height > MAX_PIXELS {
        return Err(Problem::TooLarge(format!("{width} x {height} pixels are more than {MAX_PIXELS}")));
    }
    Ok(())
}

/// How bright an eye finds a color: the weights of BT.601, which a JPEG's own brightness has too.
fn brightness(red: u8, green: u8, blue: u8) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

// ---- PNG ----

fn from_png(file: &[u8]) -> Result<Pixels, Problem> {
    let broken = |error: DecodingError| Problem::Broken(format!("the PNG is broken: {error}"));
    // Eight bytes a pixel is what 16 bits a color take.
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), Limits { bytes: MAX_PIXELS as usize * 8 });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (header.width, header.height);
    check_size(width.into(), height.into())?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let size = reader.output_buffer_size().ok_or_else(|| Problem::TooLarge("the picture is too large".into()))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    bytes.truncate(frame.buffer_size());
    let color = match frame.color_type {
        ColorType::Rgb => {
            shrink(&mut bytes, 3, 1);
            ColorType::Grayscale
        }
        ColorType::Rgba => {
            shrink(&mut bytes, 4, 2);
            ColorType::GrayscaleAlpha
        }
        gray => gray,
    };
    Ok(Pixels { width, height, color, bytes })
}

/// Makes pixels of `from` bytes, red, green, blue and more, pixels of `to` bytes, gray and the rest, in place.
fn shrink(bytes: &mut Vec<u8>, from: usize, to: usize) {
    let pixels = bytes.len() / from;
    for at in 0..pixels {
        let here = at * from;
        bytes[at * to] = brightness(bytes[here], bytes[here + 1], bytes[here + 2]);
        bytes.copy_within(here + 3..here + from, at * to + 1);
    }
    bytes.truncate(pixels * to);
}

// ---- JPEG ----

fn from_jpeg(file: &[u8]) -> Result<Pixels, Problem> {
    let broken = |error| Problem::Broken(format!("the JPEG is broken: {error}"));
    let options = DecoderOptions::new_safe()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Problem::Broken("the JPEG has no size".into()))?;
    check_size(width as u64, height as u64)?;
    // Most files have brightness apart from color: then only that is unpacked.
    let has_brightness = matches!(decoder.input_colorspace(), Some(ColorSpace::YCbCr | ColorSpace::Luma));
    let wanted = if has_brightness { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let mut bytes = decoder.decode().map_err(broken)?;
    if !has_brightness {
        shrink(&mut bytes, 3, 1);
    }
    // A camera held upright says so beside the pixels; the answer has no such word, so its pixels are turned.
    let orientation = Orientation::of(decoder.exif().map_or(&[], Vec::as_slice));
    let (bytes, width, height) = orientation.apply(bytes, width, height);
    Ok(Pixels { width: width as u32, height: height as u32, color: ColorType::Grayscale, bytes })
}

fn to_png(pixels: &Pixels) -> Result<Vec<u8>, png::EncodingError> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, pixels.width, pixels.height);
    encoder.set_color(pixels.color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels.bytes)?;
    writer.finish()?;
    Ok(png)
}
