/// `x Wᵀ + b`; W may become a product of two thin matrices.
public final class Linear: Module {
  /// W [out, in]; of a factored layer U [out, r].
  public private(set) var weight: Parameter
  /// [out], or nil.
  public let bias: Parameter?
  /// V [r, in] of a factored layer, which maps to `x Vᵀ Uᵀ + b`.
  public private(set) var inner: Parameter?

  /// What W and b are drawn from.
  public enum Beginning: String, Codable, Sendable, CaseIterable {
    /// W Xavier-uniform (Glorot & Bengio 2010), b 0: the encoder of LRA's code.
    case xavier
    /// W and b U(-1/√in, 1/√in): what `torch.nn.Linear` does.
    case torch
    /// W a normal cut at two deviations, of variance 1/in (LeCun and others 1998), b 0: what
    /// `flax.nn.Dense` does.
    case lecun
  }

  /// How the factors of a layer begin.
  public enum Factors: String, Codable, Sendable, CaseIterable {
    /// Both drawn, Xavier-uniform.
    case random
    /// By the singular values of W: the best approximation of that rank (Eckart & Young 1936).
    case svd
  }

  /// A layer from `input` to `output` features; its values are a pure function of the key.
  public init(
    _ input: Int, _ output: Int, bias: Bool = true, _ beginning: Beginning = .xavier,
    key: RandomKey
  ) throws {
    let bound = 1 / Double(input).squareRoot()
    weight =
      switch beginning {
      case .xavier: try .xavier(output, input, key: key["weight"])
      case .torch: try .uniform([output, input], bound: bound, key: key["weight"])
      case .lecun: try .truncatedNormal([output, input], deviation: bound, key: key["weight"])
      }
    guard bias else {
      self.bias = nil
      return
    }
    self.bias =
      beginning == .torch
      ? try .uniform([output], bound: bound, key: key["bias"], role: .bias)
      : try .constant([output], 0, role: .bias)
  }

  /// A layer of given parameters.
  public init(weight: Parameter, bias: Parameter?) {
    self.weight = weight
    self.bias = bias
  }

  /// The same layer, whose outputs are as many as the longest sequence has tokens.
  public func tiedToLength() -> Linear {
    _ = weight.tiedToLength()
    _ = bias?.tiedToLength()
    return self
  }

  /// Whether factors of this rank have fewer values than the whole matrix: r (in + out) < in out.
  public func isSmaller(rank: Int) -> Bool {
    rank * (weight.value.size(0) + weight.value.size(1)) < weight.value.count
  }

  /// Replaces W by U V of a rank, at least 1 and at most the smaller side of W; the bias stays.
  ///
  /// - Parameter key: of drawn factors.
  public func factor(rank: Int, _ factors: Factors, key: RandomKey) throws {
    precondition(inner == nil, "a layer is factored once")
    let (output, input) = (weight.value.size(0), weight.value.size(1))
    let tied = weight.isTiedToLength
    defer { if tied { _ = weight.tiedToLength() } }
    switch factors {
    case .random:
      inner = try .xavier(rank, input, key: key["v"])
      weight = try .xavier(output, rank, key: key["u"])
    case .svd:
      let (left, right) = try weight.value.factors(rank: rank)
      inner = try .from(right)
      weight = try .from(left)
    }
  }

  /// [..., in] to [..., out].
  ///
  /// - Parameter narrow: see `Tensor.linear`.
  public func callAsFunction(_ x: Tensor, narrow: Bool = false) throws -> Tensor {
    try (inner.map { try x.linear($0.value, nil, narrow: true) } ?? x)
      .linear(weight.value, bias?.value, narrow: narrow)
  }

  /// The same map with parameters that get no gradient.
  public func frozen(_ x: Tensor) throws -> Tensor {
    try (inner.map { try x.linear($0.value.detached(), nil) } ?? x)
      .linear(weight.value.detached(), bias?.value.detached())
  }

  /// `weight`, `bias`; of a factored layer `v.weight` [r, in], `u.weight` [out, r], `u.bias`.
  public var parameters: [NamedParameter] {
    let end = inner == nil ? "" : "u."
    return (inner.map { [NamedParameter("v.weight", $0, isLinearWeight: true)] } ?? [])
      + [
        NamedParameter(
          "\(end)weight", weight, matrixOf: inner == nil ? self : nil, isLinearWeight: true)
      ]
      + (bias.map { [NamedParameter("\(end)bias", $0)] } ?? [])
  }
}

extension [NamedParameter] {
  /// Factors every linear layer among these in which that saves parameters.
  ///
  /// - Parameter key: of drawn factors, refined by each layer's name.
  public func factorLayers(rank: Int, _ factors: Linear.Factors, key: RandomKey) throws {
    for named in self {
      guard let layer = named.layer, layer.isSmaller(rank: rank) else { continue }
      try layer.factor(rank: rank, factors, key: key[named.name])
    }
  }
}
