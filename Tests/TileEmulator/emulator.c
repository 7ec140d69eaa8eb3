// Executes AMX instructions in the handler of SIGILL, which a CPU without AMX raises for them. Encodings and effects are
// those of Intel's manual (SDM, volume 2, chapters 4 and 5: LDTILECFG ... TILEZERO).
#define _GNU_SOURCE
#include "TileEmulator.h"

#include <ct_core.h>

#if defined(__x86_64__) && defined(__linux__)
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { tiles = 8, mostRows = 16, rowBytes = 64 };

/// A thread's tiles. Unshaped ones have no rows.
static _Thread_local struct {
  int shaped;
  int rows[tiles], bytes[tiles];
  uint8_t data[tiles][mostRows][rowBytes];
} state;

static atomic_long executed;
static atomic_int withTiles;
static struct sigaction before;

/// The general register of a number in an instruction.
static uint64_t general(const ucontext_t *context, int number) {
  static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return (uint64_t)context->uc_mcontext.gregs[places[number]];
}

/// An instruction with a VEX prefix of three bytes, and the operand in memory if it has one.
struct instruction {
  int opcode, prefix, source;  // prefix: 0 none, 1 66, 2 F3, 3 F2; source: the register in VEX.vvvv
  int reg, rm, inMemory;
  uint64_t address, stride;  // without the index for tiles, which is their stride
  int64_t length;
};

static int decode(const uint8_t *at, const ucontext_t *context, struct instruction *to) {
  const uint8_t *const start = at;
  if (at[0] != 0xC4 || (at[1] & 0x1F) != 2 || at[2] & 0x84) return 0;  // map 0F38, W0, 128 bits
  const int indexHigh = at[1] & 0x40 ? 0 : 8, baseHigh = at[1] & 0x20 ? 0 : 8;
  to->prefix = at[2] & 3, to->source = ~(at[2] >> 3) & 15, to->opcode = at[3];
  const int modrm = at[4], mode = modrm >> 6;
  to->reg = modrm >> 3 & 7, to->rm = modrm & 7, to->inMemory = mode != 3;
  at += 5;
  if (to->inMemory) {
    int base = to->rm | baseHigh, displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0, relative = 0;
    to->address = to->stride = 0;
    if (to->rm == 4) {
      const int sib = *at++, index = (sib >> 3 & 7) | indexHigh;
      base = (sib & 7) | baseHigh;
      if (index != 4) to->stride = general(context, index) << (sib >> 6);
      if ((sib & 7) == 5 && mode == 0) base = -1, displacement = 4;
    } else if (to->rm == 5 && mode == 0) {
      base = -1, displacement = 4, relative = 1;
    }
    if (base >= 0) to->address = general(context, base);
    if (displacement == 1) to->address += (uint64_t)(int64_t)(int8_t)*at;
    if (displacement == 4) {
      int32_t offset;
      memcpy(&offset, at, 4);
      to->address += (uint64_t)(int64_t)offset;
    }
    at += displacement;
    if (relative) to->address += (uint64_t)(uintptr_t)at;
  }
  to->length = at - start;
  return 1;
}

static void release(void) {
  atomic_fetch_sub(&withTiles, state.shaped);
  memset(&state, 0, sizeof state);
}

static int shape(const uint8_t *from) {
  release();
  if (from[0] == 0) return 1;
  if (from[0] != 1 || from[1] != 0) return 0;
  for (int tile = 0; tile < 16; tile++) {
    uint16_t bytes;
    memcpy(&bytes, from + 16 + 2 * tile, 2);
    const int rows = from[48 + tile];
    if (rows > mostRows || bytes > rowBytes || (tile >= tiles && (rows || bytes)) || !rows != !bytes) return 0;
    if (tile < tiles) state.rows[tile] = rows, state.bytes[tile] = bytes;
  }
  atomic_fetch_add(&withTiles, 1);
  return state.shaped = 1;
}

static float widened(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/// C += A B, two products of bfloat16 at a time.
static int multiply(int c, int a, int b) {
  const int rows = state.rows[c], columns = state.bytes[c] / 4, depth = state.bytes[a] / 4;
  if (c == a || c == b || a == b || state.rows[a] != rows || state.rows[b] != depth || state.bytes[b] != state.bytes[c])
    return 0;
  for (int i = 0; i < rows; i++) {
    float sums[rowBytes / 4];
    memcpy(sums, state.data[c][i], rowBytes);
    for (int k = 0; k < depth; k++) {
      uint16_t left[2], right[rowBytes / 2];
      memcpy(left, state.data[a][i] + 4 * k, 4);
      memcpy(right, state.data[b][k], rowBytes);
      const float even = widened(left[0]), odd = widened(left[1]);
      for (int j = 0; j < columns; j++) sums[j] += even * widened(right[2 * j]) + odd * widened(right[2 * j + 1]);
    }
    memcpy(state.data[c][i], sums, rowBytes);
  }
  return 1;
}

/// Whether this was an instruction of AMX that the manual allows; then it was executed.
static int execute(const struct instruction *x) {
  const int opcode = x->opcode, prefix = x->prefix, tile = x->reg;
  uint8_t *memory = (uint8_t *)(uintptr_t)x->address;
  if (opcode == 0x49 && prefix == 0 && x->inMemory) return x->reg == 0 && shape(memory + x->stride);
  if (opcode == 0x49 && prefix == 0) return x->reg == 0 && x->rm == 0 ? release(), 1 : 0;
  if (!state.shaped) return 0;
  if (opcode == 0x49 && prefix == 3 && !x->inMemory) return memset(state.data[tile], 0, sizeof state.data[tile]), 1;
  if (opcode == 0x4B && x->inMemory && x->rm == 4 && prefix != 0) {
    if (!state.rows[tile]) return 0;
    for (int i = 0; i < state.rows[tile]; i++, memory += x->stride) {
      if (prefix == 2)
        memcpy(memory, state.data[tile][i], (size_t)state.bytes[tile]);
      else
        memcpy(state.data[tile][i], memory, (size_t)state.bytes[tile]);
    }
    return 1;
  }
  if (opcode == 0x5C && prefix == 2 && !x->inMemory && x->source < tiles) return multiply(tile, x->rm, x->source);
  return 0;
}

static void handle(int signal, siginfo_t *information, void *opaque) {
  (void)information;
  ucontext_t *context = opaque;
  greg_t *next = &context->uc_mcontext.gregs[REG_RIP];
  struct instruction x;
  if (decode((const uint8_t *)*next, context, &x) && execute(&x)) {
    *next += x.length;
    atomic_fetch_add_explicit(&executed, 1, memory_order_relaxed);
    return;
  }
  sigaction(signal, &before, NULL);  // anything else ends the process as it would have
}

static int has(const char *tier) {
  const char *const used = ct_kernel_tier();
  return ct_use_tier(tier) == 0 && ct_use_tier(used) == 0;
}

static int emulating;

static void begin(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  if (has("amx") || !has("avx512_bf16") || sigaction(SIGILL, &action, &before) != 0) return;
  ct_emulates_amx();
  emulating = 1;
}

int emulate_tiles(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
  return emulating;
}

long emulated_tile_instructions(void) { return atomic_load(&executed); }
int threads_with_tiles(void) { return atomic_load(&withTiles); }

#else
int emulate_tiles(void) { return 0; }
long emulated_tile_instructions(void) { return 0; }
int threads_with_tiles(void) { return 0; }
#endif
