/** A text as a QR code in a PNG, for the twin's `encodedImage`. */
import { crc32, deflateSync } from "node:zlib";
import { encode } from "uqr";

const QUIET_ZONE_MODULES = 4;
/** In a black-and-white PNG a byte is eight pixels: one module. */
const PIXELS_PER_MODULE = 8;
const BLACK = 0x00;
const WHITE = 0xff;

/** Draws `text` in 1-bit grey (PNG colour type 0), no row filtered. Source: PNG (ISO/IEC 15948), sections 5 and 11. */
export function qrPng(text: string): Buffer {
  // Any of the eight masks makes a valid symbol; to weigh them all takes ten times as long as to draw one.
  const { data } = encode(text, { ecc: "M", border: QUIET_ZONE_MODULES, maskPattern: 2 });
  const rows = data.map((modules) => Buffer.of(0, ...modules.map((dark) => (dark ? BLACK : WHITE))));
  const pixels = Buffer.concat(rows.flatMap((row) => Array.from({ length: PIXELS_PER_MODULE }, () => row)));
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(data.length * PIXELS_PER_MODULE, 0);
  header.writeUInt32BE(data.length * PIXELS_PER_MODULE, 4);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ...chunks]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "ascii"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
