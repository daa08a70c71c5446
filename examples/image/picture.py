"""PNG files without a library: written from pixels, and read back into pixels. For the show and for tests."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by color type; palettes are not read


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width, height, color_type, depth=8):
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))


def encode(width, height, color_type, pixels, extra=b""):
    """A file with 8 bits a channel; `extra` are chunks that come before the pixels."""
    row = width * CHANNELS[color_type]
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, row * height, row))
    return header(width, height, color_type) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def chunks(file):
    if not file.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    at = len(SIGNATURE)
    while at < len(file):
        size, name = struct.unpack_from(">I4s", file, at)
        yield name, file[at + 8 : at + 8 + size]
        at += 12 + size


def paeth(left, up, corner):
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner


def decode(file):
    """(width, height, color type, pixels) of a file with 8 bits a channel that is not interlaced."""
    parts = list(chunks(file))
    width, height, depth, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    if depth != 8 or interlaced or color_type not in CHANNELS:
        raise ValueError(f"a PNG of depth {depth}, color type {color_type}, interlacing {interlaced} is not read here")
    data = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    step = CHANNELS[color_type]
    size = width * step
    above = bytearray(size)
    pixels = bytearray()
    for y in range(height):
        kind, *rest = data[y * (size + 1) : (y + 1) * (size + 1)]
        line = bytearray(rest)
        for x in range(size):
            left = line[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            guess = (0, left, above[x], (left + above[x]) // 2, paeth(left, above[x], corner))[kind]
            line[x] = (line[x] + guess) & 255
        pixels += line
        above = line
    return width, height, color_type, bytes(pixels)


def brightness(red, green, blue):
    """As an eye finds a color, by the weights of BT.601, rounded."""
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def sample(width, height):
    """The pixels of a colorful picture: red, green, blue each."""
    return bytes(value for y in range(height) for x in range(width)
                 for value in (255 * x // width, 255 * y // height, (x * 3 + y * 5) % 256))


def gray(colors, step=3):
    """What becomes of such pixels."""
    return bytes(brightness(*colors[at : at + 3]) for at in range(0, len(colors), step))
