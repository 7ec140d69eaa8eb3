/// A model that cannot be built, or input it cannot take.
///
/// Every wording of the module is here.
public struct AttentionError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The class of a failure.
  public enum Code: String, Sendable {
    /// A name or number in a configuration is wrong.
    case usage
    /// A batch does not fit the model.
    case input
  }

  /// The class of the failure.
  public let code: Code
  /// What is wrong, in one line.
  public let message: String
  /// What to do about it.
  public let hint: String

  /// The message.
  public var description: String { message }

  static func unknownModel(_ name: String, known: [String]) -> AttentionError {
    AttentionError(
      code: .usage, message: "model \(name) is unknown",
      hint: "choose one of: \(known.joined(separator: ", "))")
  }

  static func unknownKey(_ key: String, model: String, known: [String]) -> AttentionError {
    AttentionError(
      code: .usage, message: "recipe key model.mixer.\(key) is unknown to \(model)",
      hint: known.isEmpty
        ? "\(model) has no keys of its own" : "its keys: \(known.joined(separator: ", "))")
  }

  static func badValue(_ model: String, _ why: String) -> AttentionError {
    AttentionError(
      code: .usage, message: "model.mixer does not fit \(model): \(why)",
      hint: "see: lra-train models")
  }

  static func normType(_ model: String, known: [String]) -> AttentionError {
    AttentionError(
      code: .usage,
      message: "model.norm_type is \(known.joined(separator: " or ")) for \(model)",
      hint: "batch norm is for the blocks of s4d and its kin")
  }

  static func noRecompute(_ model: String) -> AttentionError {
    AttentionError(
      code: .usage,
      message: "train.recompute: true is not for \(model): it has no blocks to run again",
      hint: "leave it out, or lower train.batch_size or raise train.accumulate to save memory")
  }

  static func notCausal(_ model: String) -> AttentionError {
    AttentionError(
      code: .usage, message: "\(model) cannot be causal", hint: "use --set model.causal=false")
  }

  static func notBidirectional(_ model: String) -> AttentionError {
    AttentionError(
      code: .usage, message: "\(model) is always causal",
      hint: "leave model.causal out or use --set model.causal=true")
  }

  static func towers(_ count: Int) -> AttentionError {
    AttentionError(
      code: .usage, message: "a model has 1 or 2 towers, not \(count)",
      hint: "2 is for pairs of documents")
  }

  static func noTokenFeatures() -> AttentionError {
    AttentionError(
      code: .usage,
      message: "this model keeps no features per token, so hidden tokens cannot be predicted",
      hint: "choose a model that does, such as transformer")
  }

  static func oddRows(_ count: Int) -> AttentionError {
    AttentionError(
      code: .input, message: "pairs need an even number of rows, not \(count)",
      hint: "first documents come in the first half, second ones in the other")
  }

  /// A mechanism asked for attention over no keys at all: a mistake in its code.
  static let noKeys = AttentionError(
    code: .input, message: "there are no keys to attend to", hint: "report this as a bug")

  static func tooLong(_ length: Int, maxLength: Int) -> AttentionError {
    AttentionError(
      code: .input, message: "a sequence of \(length) tokens exceeds max_length \(maxLength)",
      hint: "set data.max_length to at least \(length)")
  }
}
