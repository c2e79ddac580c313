/** Text as bytes, written in place and sent as it is. For 200,000 lines strings take three times as long: each line would be put together, flattened and
 *  encoded, and most of that is thrown away again. */
export interface TextBuffer {
  /** Any text. */
  text(text: string): void;
  /** Text that is there as bytes already. */
  bytes(bytes: Uint8Array): void;
  /** A number as JavaScript writes it, and the end of its line. */
  line(value: number): void;
  /** Bytes so far. */
  length(): number;
  /** Takes back what was written after that length. */
  cut(length: number): void;
  /** What was written so far; not to be read any more after the next write. */
  whole(): Buffer;
}

const [ZERO, POINT, END] = [48, 46, 10];

/** @param expected bytes; it grows beyond as needed */
export function createTextBuffer(expected = 64 * 1024): TextBuffer {
  // Not from the pool of small ones, and not filled with zeros first: all of it that is used is written.
  let buffer = Buffer.allocUnsafeSlow(Math.max(expected, 1024));
  let used = 0;

  function reserve(bytes: number): void {
    if (used + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, used + bytes));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  }

  function text(words: string): void {
    // No character of a JavaScript string takes more than three bytes.
    reserve(words.length * 3);
    used += buffer.write(words, used, "utf8");
  }

  function digits(value: number): void {
    let length = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) length++;
    let rest = value;
    for (let at = used + length - 1; at >= used; at--) {
      const next = Math.floor(rest / 10);
      buffer[at] = ZERO + rest - next * 10;
      rest = next;
    }
    used += length;
  }

  /** Three digits behind the point at most: what moments have. */
  function thousandths(value: number): boolean {
    const all = Math.round(value * 1000);
    if (all / 1000 !== value) return false;
    digits(Math.floor(all / 1000));
    buffer[used++] = POINT;
    for (let rest = all % 1000, unit = 100; rest > 0; rest %= unit, unit /= 10) {
      buffer[used++] = ZERO + Math.floor(rest / unit);
    }
    return true;
  }

  function number(value: number): void {
    const plain = value >= 0 && value < 1e12;
    if (plain && Number.isInteger(value)) digits(value);
    else if (!plain || !thousandths(value)) used += buffer.write(String(value), used, "latin1");
  }

  return {
    text,
    bytes(bytes) {
      reserve(bytes.length);
      buffer.set(bytes, used);
      used += bytes.length;
    },
    line(value) {
      // No number takes more than 24 characters.
      reserve(32);
      number(value);
      buffer[used++] = END;
    },
    length: () => used,
    cut(length) {
      used = length;
    },
    whole: () => buffer.subarray(0, used),
  };
}
