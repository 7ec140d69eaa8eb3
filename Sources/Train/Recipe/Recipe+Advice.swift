import Attention

extension Recipe {
  /// What is known to keep such a run from learning, and what to change.
  public var advice: [String] { [rowAdvice].compactMap { $0 } }

  /// Steps of a state-space model too short for its frequencies to reach from one row of an image to the next.
  ///
  /// With dt at least 2 / (row length) a mode turns once within a row; S4D-Lin stays at chance on Path-X with dt up to 0.01
  /// and reaches 96 % with 0.1 (S4D-DFouT, appendix C.3).
  private var rowAdvice: String? {
    guard taskDescription?.isImage == true, case let most? = model.mixer["dt_max"]?.double else {
      return nil
    }
    let row = Double(data.maxLength).squareRoot()
    let used = most / (model.mixer["rescale"]?.double ?? 1)
    guard used * row < 2 * (1 - 1e-9) else { return nil }
    let needed = 2 / row * (model.mixer["rescale"]?.double ?? 1)
    return
      "steps of at most \(RecipeScalar.number(used).yaml) do not reach across a row of \(Int(row)) pixels, and such runs "
      + "stay at chance: --set model.mixer.dt_max=\(RecipeScalar.number(needed).yaml) or more"
  }
}

extension ConfigurationValue {
  /// A number as one.
  fileprivate var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .bool, .string: nil
    }
  }
}
