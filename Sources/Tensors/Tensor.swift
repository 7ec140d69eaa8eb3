import CTorch

/// The type of a tensor's elements.
public enum ElementType: Sendable {
  case float32, float64, bfloat16, int64, int32, uint8, bool

  var code: ct_dtype {
    switch self {
    case .float32: CT_FLOAT32
    case .float64: CT_FLOAT64
    case .bfloat16: CT_BFLOAT16
    case .int64: CT_INT64
    case .int32: CT_INT32
    case .uint8: CT_UINT8
    case .bool: CT_BOOL
    }
  }

  init(_ code: ct_dtype) {
    switch code {
    case CT_FLOAT64: self = .float64
    case CT_BFLOAT16: self = .bfloat16
    case CT_INT64: self = .int64
    case CT_INT32: self = .int32
    case CT_UINT8: self = .uint8
    case CT_BOOL: self = .bool
    default: self = .float32
    }
  }
}

/// Where a tensor lives.
public enum Device: Sendable, Equatable, CustomStringConvertible {
  case cpu
  /// A CUDA device by its number.
  case cuda(Int)

  var number: Int32 {
    switch self {
    case .cpu: Int32(CT_CPU)
    case .cuda(let index): Int32(index)
    }
  }

  /// The name users type.
  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): index == 0 ? "cuda" : "cuda:\(index)"
    }
  }
}

/// A multi-dimensional array on a device: one reference to a libtorch tensor.
///
/// Gradient recording and autocast belong to a thread, so all tensor work of a program stays on one
/// thread; the type is deliberately not `Sendable`.
public final class Tensor {
  @usableFromInline let handle: ct_tensor

  /// Takes over a handle returned by the shim.
  ///
  /// - Throws: `TensorError` with libtorch's message when the handle is NULL.
  init(_ handle: ct_tensor?) throws {
    guard let handle else { throw TensorError.last }
    self.handle = handle
  }

  deinit { ct_free(handle) }

  /// The size of every dimension.
  public var shape: [Int] { (0..<Int(ct_dims(handle))).map { Int(ct_size(handle, Int32($0))) } }

  /// The size of one dimension; negative numbers count from the last.
  public func size(_ dimension: Int) -> Int { Int(ct_size(handle, Int32(dimension))) }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// The type of the elements.
  public var elementType: ElementType { ElementType(ct_dtype_of(handle)) }

  /// The device that holds the elements.
  public var device: Device {
    let number = ct_device_of(handle)
    return number < 0 ? .cpu : .cuda(Int(number))
  }
}

extension Tensor {
  /// A tensor with one value everywhere.
  public static func full(
    _ shape: [Int], _ value: Double, _ type: ElementType = .float32, on device: Device = .cpu
  ) throws -> Tensor {
    try Tensor(
      ct_full(shape.map(Int64.init), Int32(shape.count), value, type.code, device.number))
  }

  /// A tensor of zeros.
  public static func zeros(
    _ shape: [Int], _ type: ElementType = .float32, on device: Device = .cpu
  ) throws -> Tensor {
    try full(shape, 0, type, on: device)
  }

  /// Copies row-major values into a new CPU tensor.
  public static func from(_ values: [Float], _ shape: [Int]) throws -> Tensor {
    try copied(values, shape, .float32)
  }

  /// Copies row-major values into a new CPU tensor.
  public static func from(_ values: [Double], _ shape: [Int]) throws -> Tensor {
    try copied(values, shape, .float64)
  }

  /// Copies row-major values into a new CPU tensor.
  public static func from(_ values: [Int64], _ shape: [Int]) throws -> Tensor {
    try copied(values, shape, .int64)
  }

  /// Copies row-major values into a new CPU tensor.
  public static func from(_ values: [Int32], _ shape: [Int]) throws -> Tensor {
    try copied(values, shape, .int32)
  }

  /// Copies row-major values, true for 1, into a new CPU tensor.
  public static func from(_ values: [Bool], _ shape: [Int]) throws -> Tensor {
    try copied(values.map { UInt8($0 ? 1 : 0) }, shape, .bool)
  }

  private static func copied<Value>(
    _ values: [Value], _ shape: [Int], _ type: ElementType
  ) throws -> Tensor {
    try values.withUnsafeBytes { try bytes($0, shape, type) }
  }

  /// Copies row-major bytes of the given type into a new CPU tensor.
  public static func bytes(
    _ bytes: UnsafeRawBufferPointer, _ shape: [Int], _ type: ElementType
  ) throws -> Tensor {
    try Tensor(
      ct_from_host(
        bytes.baseAddress, bytes.count, shape.map(Int64.init), Int32(shape.count), type.code))
  }

  /// The elements, row-major, as float32.
  public func floats() throws -> [Float] { try host(.float32, zero: 0) }

  /// The elements, row-major, as float64.
  public func doubles() throws -> [Double] { try host(.float64, zero: 0) }

  /// The elements, row-major, as 64-bit integers.
  public func integers() throws -> [Int64] { try host(.int64, zero: 0) }

  private func host<Value>(_ type: ElementType, zero: Value) throws -> [Value] {
    let source = try to(type)
    var values = [Value](repeating: zero, count: count)
    let status = values.withUnsafeMutableBytes {
      ct_to_host(source.handle, $0.baseAddress, $0.count)
    }
    guard status == 0 else { throw TensorError.last }
    return values
  }

  /// The value of a tensor of one element.
  public func item() throws -> Double {
    var value = 0.0
    guard ct_item(handle, &value) == 0 else { throw TensorError.last }
    return value
  }

  /// The same values as another type; itself when the type is the same.
  public func to(_ type: ElementType) throws -> Tensor {
    try Tensor(ct_to_dtype(handle, type.code))
  }

  /// The same values as float32 when they are bfloat16, else itself: sums and softmax want that.
  public func widened() throws -> Tensor { elementType == .bfloat16 ? try to(.float32) : self }

  /// The same values on another device; itself when it is there already.
  public func to(_ device: Device) throws -> Tensor {
    try Tensor(ct_to_device(handle, device.number))
  }

  /// Overwrites the elements with those of a tensor of the same shape.
  public func copy(from source: Tensor) throws {
    guard ct_copy(handle, source.handle) == 0 else { throw TensorError.last }
  }
}
