import Testing

@testable import Datasets

@Suite struct RandomTests {
  static let listOps = #"{"max_args":10,"max_depth":10,"max_length":2000,"min_length":500}"#
  static let pathfinder = #"{"continuity":"1.8","contour_length":14,"size":128}"#

  struct Vector: Sendable {
    let key: RandomKey
    let expectedKey: RandomKey
    let split: Int
    let position: Int
    let attempt: UInt64
    let words: [UInt64]
    let digits: [UInt32]
    let units: [Double]
    let large: UInt64
  }

  static let vectors = [
    Vector(
      key: RandomKey(task: "listops", generatorVersion: 1, parameters: listOps, seed: 0),
      expectedKey: RandomKey(0x7a2f_2f02_2d87_d918, 0xb41b_5c91_8d64_f9a1),
      split: 0, position: 0, attempt: 0,
      words: [0xa64a_29e7_da8c_d365, 0xfba2_f9e2_a05c_e7aa], digits: [8, 6, 6, 9, 0, 5, 2, 5],
      units: [0x1.4fa5ea74862ffp-1, 0x1.588839d2a8f5fp-1], large: 649_569_148_163),
    Vector(
      key: RandomKey(task: "listops", generatorVersion: 1, parameters: listOps, seed: 0),
      expectedKey: RandomKey(0x7a2f_2f02_2d87_d918, 0xb41b_5c91_8d64_f9a1),
      split: 2, position: 1999, attempt: 3,
      words: [0x253e_601d_ab60_0f2e, 0xcc0a_5f8e_6176_044e], digits: [6, 1, 3, 7, 4, 6, 3, 6],
      units: [0x1.3f6f90f54d280p-7, 0x1.8982e9c8df0c4p-1], large: 145_483_023_875),
    Vector(
      key: RandomKey(task: "pathfinder", generatorVersion: 1, parameters: pathfinder, seed: 1),
      expectedKey: RandomKey(0xea8d_1f7e_3dcf_4d43, 0x6d1f_52cc_84ee_e4b6),
      split: 1, position: 5_000_000_000, attempt: 0,
      words: [0x28d0_269c_a143_44e8, 0xb573_d9f0_94f1_0c68], digits: [6, 1, 5, 7, 9, 6, 3, 3],
      units: [0x1.8ec576a630570p-1, 0x1.c3fa77d8c122cp-3], large: 159_426_129_569),
  ]

  @Test("the known answer of Philox4x64-10")
  func knownAnswer() {
    let block = Philox.block((0, 0, 0, 0), 0, 0)
    #expect(block.0 == 0x1655_4d9e_ca36_314c)
    #expect(block.1 == 0xdb20_fe9d_672d_0fdc)
    #expect(block.2 == 0xd7e7_72ce_e186_176b)
    #expect(block.3 == 0x7e68_b68a_ec7b_a23b)
  }

  @Test("keys, words, integers and units agree with NumPy", arguments: vectors)
  func vector(_ vector: Vector) {
    #expect(vector.key == vector.expectedKey)
    func stream() -> RandomStream {
      vector.key.stream(
        split: vector.split, position: vector.position, attempt: vector.attempt)
    }
    var words = stream()
    #expect([words.u64(), words.u64()] == vector.words)
    var digits = stream()
    #expect((0..<8).map { _ in digits.below(10) } == vector.digits)
    #expect([digits.unit(), digits.unit()] == vector.units)
    var large = stream()
    #expect(large.below64(1_000_000_000_000) == vector.large)
  }

  @Test("a 64-bit draw leaves the pending half of a word alone")
  func pendingHalf() {
    var stream = Self.vectors[0].key.stream(split: 0, position: 0)
    #expect(stream.u32() == 0xda8c_d365)
    #expect(stream.u64() == 0xfba2_f9e2_a05c_e7aa)
    #expect(stream.u32() == 0xa64a_29e7)
  }

  @Test("canonical JSON sorts keys by bytes and holds integers and strings")
  func canonicalJSON() {
    let parameters: [String: ParameterValue] = [
      "size": .integer(128), "continuity": .string("1.8"), "contour_length": .integer(14),
    ]
    #expect(CanonicalJSON.encode(parameters) == Self.pathfinder)
    #expect(CanonicalJSON.decode(Self.pathfinder) == parameters)
    #expect(ListOpsConfiguration().canonicalJSON == Self.listOps)
    #expect(CanonicalJSON.encode(["é\"\n": .string("a\\b")]) == #"{"é\"\u000a":"a\\b"}"#)
  }
}
