import CTorch

/// The processes that train one model together: libtorch's process group, Gloo on CPUs.
///
/// Every process makes the same calls in the same order. A process belongs to one group at most.
public final class ProcessGroup {
  /// This process, 0 ..< world.
  public let rank: Int
  /// All processes.
  public let world: Int
  private let joined: Bool

  /// A process on its own: sums are what they are.
  public static var alone: ProcessGroup { ProcessGroup() }

  private init() { (rank, world, joined) = (0, 1, false) }

  /// Joins the other processes, and waits until all are there.
  ///
  /// - Parameters:
  ///   - address, port: where process 0 is reached.
  ///   - serves: whether this process keeps the meeting point; process 0 does, unless the launcher
  ///     keeps it.
  ///   - name: the meeting's, the same in all processes.
  ///   - timeoutSeconds: for the meeting and for every sum.
  /// - Throws: `TensorError` with code `engine` when they do not meet in time.
  public init(
    rank: Int, world: Int, address: String, port: Int, serves: Bool, name: String,
    timeoutSeconds: Double
  ) throws {
    (self.rank, self.world, joined) = (rank, world, true)
    let status = ct_group_join(
      address, Int32(port), Int32(rank), Int32(world), serves ? 1 : 0, name, timeoutSeconds)
    guard status == 0 else {
      let why = String(cString: ct_error_message())
      throw TensorError.notMet(rank, world, "\(address):\(port)", why)
    }
  }

  deinit { if joined { ct_group_leave() } }

  /// Sums a tensor over all processes, in place.
  ///
  /// - Throws: `TensorError` with code `engine` when another process is gone.
  public func sum(_ tensor: Tensor) throws {
    guard world > 1 else { return }
    guard ct_group_sum(tensor.handle) == 0 else {
      throw TensorError.processGone(String(cString: ct_error_message()))
    }
  }

  /// Sums numbers over all processes.
  public func sum(_ values: [Double]) throws -> [Double] {
    guard world > 1 else { return values }
    let tensor = try Tensor.from(values, [values.count])
    try sum(tensor)
    return try tensor.doubles()
  }

  /// Returns when every process has come here.
  public func wait() throws { _ = try sum([0]) }

  /// The sums of some tensors over all processes, as tensors of their shapes on the CPU.
  ///
  /// A process may have none, if it is not process 0: it adds nothing and gets nothing.
  public func totals(_ tensors: [Tensor]) throws -> [Tensor] {
    guard world > 1 else { return tensors }
    let own = tensors.reduce(0) { $0 + $1.count }
    let count = Int(try sum([rank == 0 ? Double(own) : 0])[0])
    guard count > 0 else { return tensors }
    let flat =
      try own == 0
      ? Tensor.zeros([count], .float64)
      : Tensor.concatenated(tensors.map { try $0.to(.cpu).to(.float64).reshaped([$0.count]) }, 0)
    try sum(flat)
    var start = 0
    return try tensors.map { tensor in
      defer { start += tensor.count }
      return try flat.slice(start..<(start + tensor.count), 0).reshaped(tensor.shape)
        .to(tensor.elementType)
    }
  }

  /// Gives all processes the values that process 0 has.
  public func copyFromFirst(_ tensors: [Tensor]) throws {
    let shared = try totals(tensors.map { rank == 0 ? $0 : try .zeros($0.shape, $0.elementType) })
    for (tensor, value) in zip(tensors, shared) { try tensor.copy(from: value) }
  }

  /// Replaces every gradient by its sum over all processes.
  ///
  /// One sum of all gradients side by side: its order, and so its bits, do not depend on timing. A
  /// parameter that has a gradient in one process gets one in all.
  public func sumGradients(_ parameters: [NamedParameter]) throws {
    guard world > 1 else { return }
    let trained = parameters.filter { $0.parameter.role != .buffer }.map(\.parameter.value)
    guard let first = trained.first else { return }
    let present = try sum(trained.map { $0.gradient == nil ? 0 : 1 })
    let flat = try trained.map { value in
      try (value.gradient ?? .zeros(value.shape, value.elementType, on: value.device))
        .reshaped([value.count])
    }
    let total = try Tensor.concatenated(flat, 0).to(.cpu).contiguous()
    try sum(total)
    let back = try total.to(first.device)
    var start = 0
    for (value, count) in zip(trained, present) {
      let part = try back.slice(start..<(start + value.count), 0).reshaped(value.shape)
      start += value.count
      if count > 0 { try value.setGradient(part.contiguous()) }
    }
  }
}
