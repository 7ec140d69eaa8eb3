#include "CPNG.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// MARK: Writing

// libpng makes a zlib state per image, which costs more than a small image itself; the three chunks
// of a grey image are framed here around a stream that is only reset.
struct lra_png_encoder {
  z_stream stream;
  uint8_t *rows;
  size_t rows_capacity;
};

lra_png_encoder *lra_png_encoder_new(void) {
  lra_png_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL) return NULL;
  if (deflateInit2(&encoder->stream, 1, Z_DEFLATED, 15, 8, Z_RLE) != Z_OK) {
    free(encoder);
    return NULL;
  }
  return encoder;
}

void lra_png_encoder_free(lra_png_encoder *encoder) {
  if (encoder == NULL) return;
  deflateEnd(&encoder->stream);
  free(encoder->rows);
  free(encoder);
}

size_t lra_png_bound(uint32_t width, uint32_t height) {
  return compressBound(((uLong)width + 1) * height) + 256;
}

static uint8_t *put32(uint8_t *out, uint32_t value) {
  out[0] = (uint8_t)(value >> 24);
  out[1] = (uint8_t)(value >> 16);
  out[2] = (uint8_t)(value >> 8);
  out[3] = (uint8_t)value;
  return out + 4;
}

// Writes length, type and checksum around content that stands at out + 8 already.
static uint8_t *frame(uint8_t *out, const char *type, uint32_t length) {
  put32(out, length);
  memcpy(out + 4, type, 4);
  return put32(out + 8 + length, (uint32_t)crc32(0, out + 4, length + 4));
}

size_t lra_png_encode(
  lra_png_encoder *encoder, const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t *out,
  size_t capacity) {
  if (width == 0 || height == 0 || width > 1 << 15 || height > 1 << 15) return 0;
  if (capacity < lra_png_bound(width, height)) return 0;
  size_t raw = ((size_t)width + 1) * height;
  if (encoder->rows_capacity < raw) {
    uint8_t *rows = realloc(encoder->rows, raw);
    if (rows == NULL) return 0;
    encoder->rows = rows;
    encoder->rows_capacity = raw;
  }
  for (uint32_t y = 0; y < height; y++) {
    uint8_t *row = encoder->rows + (size_t)y * (width + 1);
    row[0] = 0;
    memcpy(row + 1, pixels + (size_t)y * width, width);
  }
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  uint8_t *next = out;
  memcpy(next, signature, 8);
  next += 8;
  put32(put32(next + 8, width), height);
  static const uint8_t grey[5] = {8, 0, 0, 0, 0};
  memcpy(next + 16, grey, 5);
  next = frame(next, "IHDR", 13);
  z_stream *stream = &encoder->stream;
  if (deflateReset(stream) != Z_OK) return 0;
  stream->next_in = encoder->rows;
  stream->avail_in = (uInt)raw;
  stream->next_out = next + 8;
  stream->avail_out = (uInt)(capacity - (size_t)(next + 8 - out) - 32);
  if (deflate(stream, Z_FINISH) != Z_STREAM_END) return 0;
  next = frame(next, "IDAT", (uint32_t)stream->total_out);
  next = frame(next, "IEND", 0);
  return (size_t)(next - out);
}

// MARK: Reading

typedef struct {
  const uint8_t *next;
  size_t left;
} source;

static void take(png_structp png, png_bytep out, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->left) png_error(png, "cut");
  memcpy(out, from->next, count);
  from->next += count;
  from->left -= count;
}

static void fail(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

// Whether every chunk up to IEND lies within the file: libpng takes as much memory as a chunk claims to have.
static int chunks_fit(const uint8_t *file, size_t bytes) {
  for (size_t place = 8; place < bytes && bytes - place >= 12;) {
    const uint8_t *head = file + place;
    if (memcmp(head + 4, "IEND", 4) == 0) return 1;
    size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (length > bytes - place - 12) return 0;
    place += length + 12;
  }
  return 0;
}

int lra_png_decode(
  const uint8_t *file, size_t bytes, uint32_t width, uint32_t height, uint8_t *pixels) {
  if (!chunks_fit(file, bytes)) return 1;
  source from = {file, bytes};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, fail, ignore);
  if (png == NULL) return 1;
  png_infop info = png_create_info_struct(png);
  if (info == NULL || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
  }
  png_set_user_limits(png, width, height);
  png_set_chunk_malloc_max(png, 1 << 20);
  png_set_chunk_cache_max(png, 16);
  png_set_read_fn(png, &from, take);
  png_read_info(png, info);
  if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height ||
      png_get_bit_depth(png, info) != 8 || png_get_color_type(png, info) != PNG_COLOR_TYPE_GRAY ||
      png_get_interlace_type(png, info) != PNG_INTERLACE_NONE) {
    png_error(png, "another kind of image");
  }
  for (uint32_t y = 0; y < height; y++) {
    png_read_row(png, pixels + (size_t)y * width, NULL);
  }
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}
