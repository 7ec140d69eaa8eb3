import Foundation
import Tensors
import Testing
import TileEmulator

/// `sin(a * (i + 1) + b)`, the inputs of the golden vectors.
func fill(_ shape: [Int], _ a: Double, _ b: Double) -> [Double] {
  (0..<shape.reduce(1, *)).map { Foundation.sin(a * Double($0 + 1) + b) }
}

/// The largest difference, relative to the largest expected value.
func relativeError(_ found: [Double], _ expected: [Double]) -> Double {
  let scale = expected.map { abs($0) }.max() ?? 1
  return (zip(found, expected).map { abs($0 - $1) }.max() ?? 0) / max(scale, 1e-30)
}

/// Philox4x32-7 for one counter, word by word, from the paper's description (Salmon and others 2011).
func philox(_ counter: [UInt32], key: UInt64) -> [UInt32] {
  var (c, k) = (counter, [UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32)])
  for _ in 0..<7 {
    let a = c[0].multipliedFullWidth(by: 0xD251_1F53)
    let b = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
    c = [b.high ^ c[1] ^ k[0], b.low, a.high ^ c[3] ^ k[1], a.low]
    k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
  }
  return c
}

/// The key of an example under a site's key: SplitMix64's finaliser.
func exampleKey(_ key: UInt64, _ example: Int) -> UInt64 {
  var x = key &+ (UInt64(example) &+ 1) &* 0x9e37_79b9_7f4a_7c15
  x = (x ^ (x >> 30)) &* 0xbf58_476d_1ce4_e5b9
  x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
  return x ^ (x >> 31)
}

/// The 16-bit draw number `half` (0...7) of a counter.
func draw(_ words: [UInt32], _ half: Int) -> UInt32 {
  half % 2 == 0 ? words[half / 2] & 0xffff : words[half / 2] >> 16
}

/// Whether the tier amx is not in this CPU and its instructions are emulated.
let emulatesTiles = emulate_tiles() == 1

/// The tiers this machine has, and what it lacks in the test log.
let tiers = ["amx", "avx512_bf16", "avx512", "avx2", "portable"].filter { tier in
  if tier == "amx" && emulatesTiles { print("kernel tier amx is not in this CPU: emulated") }
  let there = (try? Engine.use(tier: tier)) != nil
  if !there { print("kernel tier \(tier) is not in this CPU: not tested here") }
  return there
}

/// Those that multiply bfloat16.
let halfTiers = ["amx", "avx512_bf16"]
