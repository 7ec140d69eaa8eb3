import Tokenizers

/// The expressions of a released ListOps file: `basic_train.tsv`, `basic_val.tsv`, `basic_test.tsv`.
///
/// A header `Source TAB Target`, then lines of an expression and its value. Expressions are binary trees in
/// parentheses, `( ( ( [MAX 4 ) 2 ) ] )`; the parentheses are checked and left out. Every value is
/// computed anew and must be the target. Nothing is recursive.
struct ReleasedListOps {
  private(set) var symbols: [UInt8] = []
  private var evaluation = ListOpsEvaluation()

  /// Reads a file.
  mutating func rows(of file: SourceFile) throws -> [SequenceRow] {
    var rows: [SequenceRow] = []
    try file.forEachLine { line in
      let fields = line.fields()
      if line.number == 1 {
        guard fields.map(line.text) == ["Source", "Target"] else {
          throw line.malformed("expected the header Source, tab, Target")
        }
        return
      }
      guard fields.count == 2 else {
        throw line.malformed(
          "expected 2 tab-separated fields, found \(fields.count)",
          at: fields[min(2, fields.count) - 1].upperBound)
      }
      rows.append(try row(line, source: fields[0], target: fields[1]))
    }
    guard !rows.isEmpty else { throw file.malformed("no expressions", line: 1, column: 1) }
    return rows
  }

  private mutating func row(
    _ line: TextLine, source: Range<Int>, target: Range<Int>
  ) throws -> SequenceRow {
    let start = symbols.count
    try append(line, source)
    guard let label = line.number(target), label <= 9 else {
      throw line.malformed(
        "the target is \(line.shown(target)); a digit expected", at: target.lowerBound)
    }
    let value = symbols.withUnsafeBufferPointer {
      evaluation.value(of: UnsafeBufferPointer(rebasing: $0[start...]))
    }
    guard let value else {
      throw line.malformed("a list of more than \(ListOpsEvaluation.maxArgs) arguments")
    }
    guard value == label else {
      throw line.malformed(
        "the target is \(label); the expression has the value \(value)", at: target.lowerBound)
    }
    return SequenceRow(start: start, count: symbols.count - start, label: label)
  }

  /// Appends the symbols of an expression that is whole.
  private mutating func append(_ line: TextLine, _ source: Range<Int>) throws {
    var parentheses = 0
    var brackets = 0
    var isWhole = false
    var position = source.lowerBound
    let start = symbols.count
    while position < source.upperBound {
      guard line.bytes[position] != 32 else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.upperBound, line.bytes[end] != 32 { end += 1 }
      switch ReleasedListOps.token(line.bytes, position..<end) {
      case .open: parentheses += 1
      case .shut:
        parentheses -= 1
        guard parentheses >= 0 else {
          throw line.malformed("this parenthesis was never opened", at: position)
        }
      case .symbol(let symbol):
        guard !isWhole else {
          throw line.malformed("something behind the whole expression", at: position)
        }
        if symbol == ListOpsVocabulary.close {
          guard brackets > 0 else {
            throw line.malformed("this bracket was never opened", at: position)
          }
          guard let last = symbols.last, !ReleasedListOps.isOperator(last) else {
            throw line.malformed("a list without arguments", at: position)
          }
          brackets -= 1
        } else if ReleasedListOps.isOperator(symbol) {
          brackets += 1
        }
        isWhole = brackets == 0
        symbols.append(symbol)
      case nil:
        throw line.malformed("unknown token \(line.shown(position..<end))", at: position)
      }
      position = end
    }
    guard symbols.count > start else { throw line.malformed("no expression", at: position) }
    guard brackets == 0 else {
      throw line.malformed("\(brackets.grouped) brackets are not closed", at: position)
    }
    guard parentheses == 0 else {
      throw line.malformed("\(parentheses.grouped) parentheses are not closed", at: position)
    }
  }

  private static func isOperator(_ symbol: UInt8) -> Bool {
    (ListOpsVocabulary.minimum..<ListOpsVocabulary.close).contains(symbol)
  }

  private enum Token {
    case open
    case shut
    case symbol(UInt8)
  }

  private static func token(_ bytes: UnsafeRawBufferPointer, _ place: Range<Int>) -> Token? {
    let first = bytes[place.lowerBound]
    switch (place.count, first) {
    case (1, UInt8(ascii: "0")...UInt8(ascii: "9")): return .symbol(first - UInt8(ascii: "0"))
    case (1, UInt8(ascii: "(")): return .open
    case (1, UInt8(ascii: ")")): return .shut
    case (1, UInt8(ascii: "]")): return .symbol(ListOpsVocabulary.close)
    case (3...4, UInt8(ascii: "[")):
      // The last letter tells them apart; then the whole word is compared.
      let symbol: UInt8 =
        switch bytes[place.upperBound - 1] {
        case UInt8(ascii: "N"): ListOpsVocabulary.minimum
        case UInt8(ascii: "X"): ListOpsVocabulary.maximum
        case UInt8(ascii: "D"): ListOpsVocabulary.median
        default: ListOpsVocabulary.sumModulo
        }
      let word = ListOpsVocabulary.tokens[Int(symbol)]
      return bytes[place].elementsEqual(word.utf8) ? .symbol(symbol) : nil
    default: return nil
    }
  }
}
