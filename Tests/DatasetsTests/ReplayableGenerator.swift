import Foundation

/// Random numbers of a test that can be had again: SplitMix64 (Steele, Lea and Flood 2014) of a printed seed.
///
/// `LRA_TEST_SEED=123 ./test --filter ...` takes that seed in place of a fresh one.
struct ReplayableGenerator: RandomNumberGenerator {
  private var state: UInt64

  init() {
    let given = ProcessInfo.processInfo.environment["LRA_TEST_SEED"].flatMap { UInt64($0) }
    state = given ?? .random(in: 0...999_999)
    print("random numbers of LRA_TEST_SEED=\(state)")
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
