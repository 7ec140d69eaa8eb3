/// AMX for CPUs that lack it.
#ifndef TILE_EMULATOR_H
#define TILE_EMULATOR_H

/// Lets the kernel tier "amx" be used on a CPU that lacks only AMX, whose instructions are from now on executed here,
/// some 1,000 times as slow. Returns 1, or 0 where the CPU has them or lacks more.
int emulate_tiles(void);

/// How many instructions were executed so, by all threads.
long emulated_tile_instructions(void);

/// How many threads have not released their tiles.
int threads_with_tiles(void);

#endif
