@testable import Datasets

/// ListOps by the book: recursion, one draw after the other.
///
/// Shares nothing with the generator but the
/// random stream, which has vectors of its own.
struct NaiveListOps {
  indirect enum Node {
    case digit(Int)
    case list(Int, [Node])

    var tokens: [UInt8] {
      switch self {
      case .digit(let digit): [UInt8(digit)]
      case .list(let kind, let arguments):
        [UInt8(10 + kind)] + arguments.flatMap(\.tokens) + [14]
      }
    }

    var value: Int {
      switch self {
      case .digit(let digit): return digit
      case .list(let kind, let arguments):
        let values = arguments.map(\.value).sorted()
        switch kind {
        case 0: return values[0]
        case 1: return values[values.count - 1]
        case 2: return (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
        default: return values.reduce(0, +) % 10
        }
      }
    }
  }

  let configuration: ListOpsConfiguration
  let key: RandomKey

  init(_ configuration: ListOpsConfiguration, seed: Int) {
    self.configuration = configuration
    key = RandomKey(
      task: "listops", generatorVersion: 1, parameters: configuration.canonicalJSON, seed: seed)
  }

  func example(split: Int, position: Int) -> (symbols: [UInt8], value: Int) {
    var attempt: UInt64 = 0
    while true {
      var stream = key.stream(split: split, position: position, attempt: attempt)
      var budget = configuration.maxLength  // nodes: a tree of more is too long
      if let node = grow(&stream, depth: 1, &budget) {
        let tokens = node.tokens
        if tokens.count > configuration.minLength && tokens.count < configuration.maxLength {
          return (tokens, node.value)
        }
      }
      attempt += 1
    }
  }

  private func grow(_ stream: inout RandomStream, depth: Int, _ budget: inout Int) -> Node? {
    budget -= 1
    if budget < 0 { return nil }
    if depth == configuration.maxDepth { return .digit(Int(stream.below(10))) }
    var bound = 40
    while bound % (16 * (configuration.maxArgs - 1)) != 0 { bound += 40 }
    let draw = Int(stream.below(UInt32(bound)))
    if draw < bound * 3 / 4 { return .digit(draw % 10) }
    let rest = draw - bound * 3 / 4
    var arguments: [Node] = []
    for _ in 0..<(2 + rest / 4 % (configuration.maxArgs - 1)) {
      guard let argument = grow(&stream, depth: depth + 1, &budget) else { return nil }
      arguments.append(argument)
    }
    return .list(rest % 4, arguments)
  }
}
