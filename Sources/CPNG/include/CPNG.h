#ifndef CPNG_H
#define CPNG_H

#include <stddef.h>
#include <stdint.h>

// Grey 8-bit PNG images in memory. libpng's setjmp and longjmp stay inside; nothing is printed.

/// Writes images; keeps its zlib state from one to the next. For one thread at a time.
typedef struct lra_png_encoder lra_png_encoder;

/// NULL without memory.
lra_png_encoder *lra_png_encoder_new(void);
void lra_png_encoder_free(lra_png_encoder *encoder);

/// A bound on the size of an image's file.
size_t lra_png_bound(uint32_t width, uint32_t height);

/// Encodes an image: level 1, Z_RLE, no row filter. Returns the size of the file, 0 on failure.
size_t lra_png_encode(
  lra_png_encoder *encoder, const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t *out,
  size_t capacity);

/// Decodes a grey 8-bit image of exactly this size. Returns 0, or 1 for anything else.
int lra_png_decode(
  const uint8_t *file, size_t bytes, uint32_t width, uint32_t height, uint8_t *pixels);

#endif
