import Foundation

/// Multinomial naive Bayes on counts of symbols: what a linear softmax over a bag of tokens can learn.
///
/// The score of a class is ln((1 + n_c) / (K + n)) plus, for every symbol s of the example,
/// ln((1 + n_cs) / (256 + n_c*)): n_c examples of the class among n of K classes, n_cs occurrences of s in
/// them, n_c* all their symbols; add-one smoothing. Logarithms are rounded to multiples of 2^-32 and added
/// as integers, so the order of symbols and threads changes nothing. The highest score wins; the smallest
/// class of several.
struct NaiveBayes: Sendable {
  /// Counts, from which the rule is made; pieces of a split are added up.
  struct Counts: Sendable {
    fileprivate var examples: [Int32: Int] = [:]
    fileprivate var symbols: [Int32: [Int]] = [:]

    mutating func add(_ example: UnsafeBufferPointer<UInt8>, label: Int32) {
      examples[label, default: 0] += 1
      let bag = NaiveBayes.bag(example)
      symbols[label, default: [Int](repeating: 0, count: 256)].withUnsafeMutableBufferPointer {
        for symbol in 0..<256 { $0[symbol] += Int(bag[symbol]) }
      }
    }

    mutating func add(_ other: Counts) {
      examples.merge(other.examples, uniquingKeysWith: +)
      symbols.merge(other.symbols) { one, two in zip(one, two).map { $0 + $1 } }
    }
  }

  private let classes: [(label: Int32, prior: Int, symbols: [Int])]

  init(_ counts: Counts) {
    let all = counts.examples.values.reduce(0, +)
    classes = counts.examples.keys.sorted().map { label in
      let own = counts.symbols[label] ?? []
      let total = own.reduce(0, +)
      let prior = NaiveBayes.logarithm(
        1 + (counts.examples[label] ?? 0), of: counts.examples.count + all)
      return (label, prior, own.map { NaiveBayes.logarithm(1 + $0, of: 256 + total) })
    }
  }

  /// The class that it gives; -1 when it has seen none.
  func label(of example: UnsafeBufferPointer<UInt8>) -> Int32 {
    let bag = NaiveBayes.bag(example)
    var best: (label: Int32, score: Int) = (-1, Int.min)
    for (label, prior, symbols) in classes {
      var score = prior
      symbols.withUnsafeBufferPointer {
        for symbol in 0..<256 { score &+= Int(bag[symbol]) &* $0[symbol] }
      }
      if score > best.score { best = (label, score) }
    }
    return best.label
  }

  private static func logarithm(_ part: Int, of whole: Int) -> Int {
    Int((log(Double(part) / Double(whole)) * 0x1p32).rounded())
  }

  /// How often an example has which symbol.
  private static func bag(_ example: UnsafeBufferPointer<UInt8>) -> [UInt32] {
    var bag = [UInt32](repeating: 0, count: 256)
    bag.withUnsafeMutableBufferPointer { for symbol in example { $0[Int(symbol)] += 1 } }
    return bag
  }
}
