import CTorch

/// A trained tensor, float32 with a gradient, or a buffer that is saved but not trained.
public final class Parameter {
  /// The values; updated in place by the optimiser.
  public private(set) var value: Tensor
  /// What it is, which decides decay and rate.
  public let role: Role
  /// Whether its size grows with the longest sequence, as a table of positions does.
  public private(set) var isTiedToLength = false

  /// What a parameter is; its role decides decay and rate, see `ParameterGroup`.
  ///
  /// `state` is what a state-space model's state evolves by (A, and B where it is trained), `step` the step dt at which
  /// it is sampled; neither decays. A buffer belongs to the checkpoint (random features, a random plan) but has no
  /// gradient.
  public enum Role: String, Sendable, CaseIterable {
    case weight, bias, norm, embedding, state, step, buffer
  }

  /// Whether parameters are made without values, to be counted; see `sketched`.
  @TaskLocal static var isSketch = false

  private init(_ value: Tensor, _ role: Role) throws {
    // Row after row, as gradients and moments are, which the fused update takes for granted.
    self.value = Self.isSketch ? value : try value.contiguous()
    self.role = role
    if role != .buffer { try value.requireGradient() }
  }

  /// The same parameter, known to grow with the longest sequence.
  public func tiedToLength() -> Parameter {
    isTiedToLength = true
    return self
  }

  /// Moves the values to a device; the gradient is forgotten.
  public func move(to device: Device) throws {
    if value.device == device { return }
    try replace(value.detached().to(device))
  }

  /// Converts the values, such as to float64 for a gradient check; the gradient is forgotten.
  public func convert(to type: ElementType) throws {
    if value.elementType == type { return }
    try replace(value.detached().to(type))
  }

  private func replace(_ new: Tensor) throws {
    value = new
    if role != .buffer { try value.requireGradient() }
  }

  /// Values that are saved but not trained.
  public static func buffer(_ value: Tensor) throws -> Parameter { try Parameter(value, .buffer) }

  /// The given values.
  public static func from(_ value: Tensor, role: Role = .weight) throws -> Parameter {
    try Parameter(value, role)
  }

  /// One value everywhere.
  public static func constant(_ shape: [Int], _ value: Double, role: Role) throws -> Parameter {
    try Parameter(isSketch ? blank(shape) : Tensor.full(shape, value), role)
  }

  /// N(0, deviation²), a pure function of the key.
  public static func normal(
    _ shape: [Int], deviation: Double, key: RandomKey, role: Role = .weight
  ) throws -> Parameter {
    let tensor = try blank(shape)
    guard isSketch || ct_fill_normal(tensor.handle, key.bits, deviation) == 0 else {
      throw TensorError.last
    }
    return try Parameter(tensor, role)
  }

  /// U(-bound, bound), a pure function of the key.
  public static func uniform(
    _ shape: [Int], bound: Double, key: RandomKey, role: Role = .weight
  ) throws -> Parameter {
    let tensor = try blank(shape)
    guard isSketch || ct_fill_uniform(tensor.handle, key.bits, bound) == 0 else {
      throw TensorError.last
    }
    return try Parameter(tensor, role)
  }

  /// A normal distribution cut at two of its standard deviations, a pure function of the key.
  ///
  /// - Parameter deviation: that of what is left.
  public static func truncatedNormal(
    _ shape: [Int], deviation: Double, key: RandomKey, role: Role = .weight
  ) throws -> Parameter {
    let tensor = try blank(shape)
    // A standard normal cut at 2 has deviation 0.8796.
    let scale = deviation / 0.879_625_661_034_239_78
    guard isSketch || ct_fill_truncated_normal(tensor.handle, key.bits, scale) == 0 else {
      throw TensorError.last
    }
    return try Parameter(tensor, role)
  }

  /// Xavier-uniform (Glorot & Bengio 2010): U(-b, b) with b = √(6 / (in + out)), for a weight [out,
  /// in].
  public static func xavier(_ out: Int, _ input: Int, key: RandomKey) throws -> Parameter {
    try uniform([out, input], bound: (6 / Double(out + input)).squareRoot(), key: key)
  }

  /// Zeros; in a sketch one zero that stands for all.
  private static func blank(_ shape: [Int]) throws -> Tensor {
    if !isSketch { return try .zeros(shape) }
    return try Tensor.zeros(shape.map { _ in 1 }).expanded(shape)
  }
}

/// Builds something whose trained parameters have their shapes but no values and no memory of their own.
///
/// It can be counted in no time, whatever its size; it must not be run.
public func sketched<Result>(_ body: () throws -> Result) rethrows -> Result {
  try Parameter.$isSketch.withValue(true, operation: body)
}

/// A parameter or buffer with its place in the checkpoint.
public struct NamedParameter {
  /// The dotted name, such as `blocks.0.attn.q.weight`.
  public let name: String
  /// The parameter.
  public let parameter: Parameter
  /// The linear layer that it is the whole matrix of, if it is one.
  public let layer: Linear?
  /// Whether it is the matrix of a linear layer, or a factor of one.
  public let isLinearWeight: Bool

  /// Names a parameter.
  public init(
    _ name: String, _ parameter: Parameter, matrixOf layer: Linear? = nil,
    isLinearWeight: Bool = false
  ) {
    self.name = name
    self.parameter = parameter
    self.layer = layer
    self.isLinearWeight = isLinearWeight || layer != nil
  }

  /// The same parameter under another name.
  public func named(_ name: String) -> NamedParameter {
    NamedParameter(name, parameter, matrixOf: layer, isLinearWeight: isLinearWeight)
  }
}

extension [NamedParameter] {
  /// The same parameters one level deeper.
  public func prefixed(_ prefix: String) -> [NamedParameter] {
    map { $0.named("\(prefix).\($0.name)") }
  }

  /// The number of trained values; buffers do not count.
  public var valueCount: Int {
    reduce(0) { $0 + ($1.parameter.role == .buffer ? 0 : $1.parameter.value.count) }
  }

  /// The trained parameters that do not grow with the longest sequence, and buffers.
  public var notTiedToLength: [NamedParameter] { filter { !$0.parameter.isTiedToLength } }
}

/// Something with parameters.
public protocol Module {
  /// Every parameter, in a fixed order, named as in the checkpoint.
  var parameters: [NamedParameter] { get }
}

/// Layer normalisation with gain and offset.
public struct LayerNorm: Module {
  let weight: Parameter
  let bias: Parameter
  let eps: Double

  /// A norm over the last `width` features.
  public init(_ width: Int, eps: Double) throws {
    weight = try .constant([width], 1, role: .norm)
    bias = try .constant([width], 0, role: .norm)
    self.eps = eps
  }

  /// A norm of given parameters.
  public init(weight: Parameter, bias: Parameter, eps: Double) {
    (self.weight, self.bias, self.eps) = (weight, bias, eps)
  }

  /// [..., width] to the same shape.
  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    try x.layerNorm(weight.value, bias.value, eps: eps)
  }

  /// `weight`, `bias`.
  public var parameters: [NamedParameter] {
    [NamedParameter("weight", weight), NamedParameter("bias", bias)]
  }
}
