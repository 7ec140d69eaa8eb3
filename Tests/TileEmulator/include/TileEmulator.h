/// AMX for CPUs that lack it.
#ifndef TILE_EMULATOR_H
#define TILE_EMULATOR_H

/// From now on executes the process's AMX instructions for bfloat16 where the CPU refuses them, some 100,000 times as
/// slow as AMX would be. Returns 1, or 0 where it cannot: it needs Linux on x86-64.
int emulate_tiles(void);

/// How many instructions were executed so, by all threads.
long emulated_tile_instructions(void);

#endif
