/// Makes ListOps expressions: an example is a pure function of configuration, seed, split and position.
///
/// Distribution (Tay et al. 2020, arXiv 2011.04006, 2.1, as in the released code): a node above the
/// depth limit is an operator with probability 1/4 and else a uniform digit; at the limit always a digit.
/// An operator is uniform over MIN, MAX, MED, SM and has uniformly 2...maxArgs arguments. A tree is kept
/// when its token count lies strictly between the length limits.
///
/// Draw order: one draw per node, in prefix order (operator, its arguments from left to right). With
/// N = lcm(40, 16 (maxArgs - 1)), a node above the limit draws v = below(N): v < 3N/4 is the digit
/// v mod 10; else with w = v - 3N/4 the operator is w mod 4 in the order above and it has
/// 2 + (w / 4) mod (maxArgs - 1) arguments. At the limit the digit is below(10). Attempts 0, 1, 2... each
/// start the stream anew; the first one whose length fits is the example.
///
/// Deviation: the release draws an operator after its arguments, which changes no distribution.
struct ListOpsGenerator: Sendable {
  let configuration: ListOpsConfiguration
  let key: RandomKey

  /// N; below 2^32 for every allowed maxArgs.
  private let nodeBound: UInt32
  private let nodeThreshold: UInt32
  /// By v: the stored symbol, and above it how many arguments (0 for digits).
  private let nodes: [UInt16]

  /// After this many attempts without a fitting one the lengths are called impossible.
  private let attemptLimit: UInt64

  init(_ configuration: ListOpsConfiguration, seed: Int, attemptLimit: UInt64 = 20_000_000) {
    self.configuration = configuration
    self.attemptLimit = attemptLimit
    key = RandomKey(
      task: ListOpsConfiguration.task, generatorVersion: ListOpsConfiguration.generatorVersion,
      parameters: configuration.canonicalJSON, seed: seed)
    let kinds = 16 * (configuration.maxArgs - 1)
    var bound = kinds
    while bound % 40 != 0 { bound += kinds }
    nodeBound = UInt32(bound)
    nodeThreshold = (0 &- UInt32(bound)) % UInt32(bound)
    let digits = bound / 4 * 3
    nodes = (0..<bound).map { value in
      if value < digits { return UInt16(value % 10) }
      let rest = value - digits
      let arguments = 2 + rest / 4 % (configuration.maxArgs - 1)
      return UInt16(arguments << 4 | 10 + rest % 4)
    }
  }

  /// Working memory for one thread.
  struct Workspace: ~Copyable {
    fileprivate let words: UnsafeMutablePointer<UInt32>
    fileprivate let open: UnsafeMutablePointer<(list: ListOpsList, missing: Int)>
    fileprivate let symbols: UnsafeMutablePointer<UInt8>

    init(_ configuration: ListOpsConfiguration) {
      words = .allocate(capacity: ListOpsGenerator.bufferedWords)
      open = .allocate(capacity: configuration.maxDepth + 1)
      symbols = .allocate(capacity: configuration.maxLength + 1)
    }

    deinit {
      words.deallocate()
      open.deallocate()
      symbols.deallocate()
    }
  }

  /// Four blocks at a time: their multiplications overlap.
  fileprivate static let bufferedWords = 32

  /// Makes the example at a position; the body gets its stored symbols and its value.
  ///
  /// - Throws: `usage` when no attempt fits.
  func example<Result>(
    split: SplitSize, position: Int, in workspace: inout Workspace,
    _ body: (UnsafeBufferPointer<UInt8>, Int) throws -> Result
  ) throws -> Result {
    var attempt: UInt64 = 0
    while attempt < attemptLimit {
      let (length, value) = grow(
        split: UInt64(split.ordinal), position: UInt64(position), attempt: attempt, workspace)
      if length > configuration.minLength {
        let symbols = UnsafeBufferPointer(start: workspace.symbols, count: length)
        return try body(symbols, value)
      }
      attempt += 1
    }
    throw DatasetError.attemptsExhausted(
      split.name, position, attempts: attempt,
      rule: "\(configuration.minLength + 1)...\(configuration.maxLength - 1) tokens")
  }

  /// Grows one tree into the workspace's symbols, evaluating it on the way.
  ///
  /// A pass of its own for the value would mispredict as many branches as the growing does.
  /// - Returns: its length, 0 when it must reach the upper limit, and its value.
  @inline(__always)
  private func grow(
    split: UInt64, position: UInt64, attempt: UInt64, _ workspace: borrowing Workspace
  ) -> (length: Int, value: Int) {
    let words = workspace.words
    let open = workspace.open
    let symbols = workspace.symbols
    let maxLength = configuration.maxLength
    let maxDepth = configuration.maxDepth

    // Three quarters of the attempts end with their first draw: one block is enough for them.
    store(Philox.block((1, attempt, position, split), key.word0, key.word1), words)
    var block: UInt64 = 1
    var next = 0
    var available = 8

    @inline(__always) func draw() -> UInt32 {
      if next == available {
        refill(words, after: block, attempt, position, split)
        block &+= 4
        next = 0
        available = ListOpsGenerator.bufferedWords
      }
      next &+= 1
      return words[next &- 1]
    }
    @inline(__always) func below(_ bound: UInt32, _ threshold: UInt32) -> UInt32 {
      while true {
        let product = UInt64(draw()) &* UInt64(bound)
        if UInt32(truncatingIfNeeded: product) >= threshold {
          return UInt32(truncatingIfNeeded: product >> 32)
        }
      }
    }

    if maxDepth == 1 {
      let digit = below(10, digitThreshold)
      symbols[0] = UInt8(truncatingIfNeeded: digit)
      return (maxLength > 1 ? 1 : 0, Int(digit))
    }
    return nodes.withUnsafeBufferPointer { nodes in
      var length = 0  // symbols written
      var least = 1  // symbols that the tree has at least: written, open brackets, open arguments
      var depth = 1
      var list = ListOpsList()  // the current one
      var missing = 1  // arguments that it still lacks
      while true {
        let node = nodes[Int(below(nodeBound, nodeThreshold))]
        symbols[length] = UInt8(truncatingIfNeeded: node & 15)
        length &+= 1
        missing &-= 1
        let arguments = Int(node >> 4)
        if arguments == 0 {
          list.add(UInt64(node))
        } else {
          least &+= arguments &+ 1
          if least >= maxLength { return (0, 0) }
          if depth &+ 1 == maxDepth {
            var last = ListOpsList(symbol: UInt8(truncatingIfNeeded: node & 15))
            for _ in 0..<arguments {
              let digit = below(10, digitThreshold)
              symbols[length] = UInt8(truncatingIfNeeded: digit)
              length &+= 1
              last.add(UInt64(digit))
            }
            list.add(last.value)
            symbols[length] = ListOpsGenerator.closingSymbol
            length &+= 1
          } else {
            open[depth] = (list, missing)
            depth &+= 1
            list = ListOpsList(symbol: UInt8(truncatingIfNeeded: node & 15))
            missing = arguments
          }
        }
        while missing == 0 {
          depth &-= 1
          if depth == 0 { return (length, list.only) }
          symbols[length] = ListOpsGenerator.closingSymbol
          length &+= 1
          let value = list.value
          (list, missing) = open[depth]
          list.add(value)
        }
      }
    }
  }

  /// 2^32 mod 10.
  private var digitThreshold: UInt32 { 6 }
  /// `]` as stored: its id 15 less 1.
  private static let closingSymbol: UInt8 = 14

  @inline(__always)
  private func store(_ block: Philox.Block, _ words: UnsafeMutablePointer<UInt32>) {
    words[0] = UInt32(truncatingIfNeeded: block.0)
    words[1] = UInt32(truncatingIfNeeded: block.0 >> 32)
    words[2] = UInt32(truncatingIfNeeded: block.1)
    words[3] = UInt32(truncatingIfNeeded: block.1 >> 32)
    words[4] = UInt32(truncatingIfNeeded: block.2)
    words[5] = UInt32(truncatingIfNeeded: block.2 >> 32)
    words[6] = UInt32(truncatingIfNeeded: block.3)
    words[7] = UInt32(truncatingIfNeeded: block.3 >> 32)
  }

  /// The four blocks after one, 32 words.
  ///
  /// Not inlined, so that the loop over nodes keeps its registers.
  @inline(never)
  private func refill(
    _ words: UnsafeMutablePointer<UInt32>, after block: UInt64, _ attempt: UInt64,
    _ position: UInt64, _ split: UInt64
  ) {
    for pair in 0..<UInt64(2) {
      let counter = block &+ pair &* 2
      let first = Philox.block(
        (counter &+ 1, attempt, position, split), key.word0, key.word1)
      let second = Philox.block(
        (counter &+ 2, attempt, position, split), key.word0, key.word1)
      store(first, words + Int(pair * 16))
      store(second, words + Int(pair * 16 + 8))
    }
  }
}
