/// Where a sequence lies among the symbols in memory, and what it is.
struct SequenceRow: Sendable {
  var start: Int
  var count: Int
  var label: Int?
  var meta: String?
  /// Bytes of a second part, directly behind the sequence.
  var behind = 0
}
