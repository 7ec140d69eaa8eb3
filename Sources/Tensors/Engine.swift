import CTorch

/// The tensor engine of this process: libtorch's version, devices, threads and memory.
public enum Engine {
  /// The libtorch version this program was built against, such as "2.13.0".
  public static var version: String { String(cString: ct_version()) }

  /// Prepares libtorch; call it before any tensor is made.
  ///
  /// - Parameter wanted: the device by the name users type: `cpu`, `cuda`, `cuda:N`, or `auto`
  ///   (CUDA when there is one).
  /// - Parameter threads: how many threads an operation may use, at least 1.
  /// - Returns: the device to use.
  /// - Throws: `TensorError` with code `engine` when libtorch's version differs from the one built
  ///   against, `usage` when the device or the kernel tier in `LRA_CPU` is unknown or not there.
  public static func start(device wanted: String = "cpu", threads: Int) throws -> Device {
    // CUDA must be loaded before any other call: libtorch looks for it once.
    let cudaLoaded = wanted != "cpu" && ct_load_cuda() == 0
    let cudaProblem = cudaLoaded ? "" : String(cString: ct_error_message())
    switch ct_start() {
    case 0: break
    case 2: throw TensorError.choice(String(cString: ct_error_message()), next: "unset LRA_CPU")
    default:
      throw TensorError.engine(
        String(cString: ct_error_message()),
        next: "build again after ./setup: swift build -c release")
    }
    guard ct_set_threads(Int32(threads)) == 0 else { throw TensorError.last }
    if wanted == "cpu" { return .cpu }
    let devices = cudaLoaded ? Int(ct_cuda_device_count()) : 0
    if wanted == "auto" { return devices > 0 ? .cuda(0) : .cpu }
    let index = wanted == "cuda" ? 0 : wanted.hasPrefix("cuda:") ? Int(wanted.dropFirst(5)) : nil
    guard let index, index >= 0 else {
      throw TensorError.choice(
        "device \(wanted) is unknown", next: "choose cpu, cuda, cuda:N or auto")
    }
    guard index < devices else {
      let why = cudaLoaded ? "\(devices) CUDA devices were found" : cudaProblem
      throw TensorError.choice("device \(wanted) is not there: \(why)", next: "use --device cpu")
    }
    return .cuda(index)
  }

  /// How many threads an operation may use.
  public static var threads: Int { Int(ct_threads()) }

  /// The kernel tier in use: `amx`, `avx512_bf16`, `avx512`, `avx2` or `portable`; `LRA_CPU` names a lower one than the
  /// CPU has.
  public static var kernelTier: String { String(cString: ct_kernel_tier()) }

  /// Chooses a kernel tier by name, for tests and comparisons.
  public static func use(tier: String) throws {
    guard ct_use_tier(tier) == 0 else { throw TensorError.last }
  }

  /// The most bytes that CPU tensors held at once.
  public static var peakTensorBytes: Int {
    var held: Int64 = 0
    var peak: Int64 = 0
    ct_memory(&held, &peak)
    return Int(peak)
  }

  /// Lets the peak begin again at the bytes that are in use, to measure a part of a program.
  ///
  /// Cached memory goes back to the system: a reused block would count with its own size.
  /// - Returns: the bytes in use.
  public static func restartPeak() -> Int { Int(ct_restart_peak()) }

  /// The floating-point operations of a piece of work: matrix products, convolutions, Fourier
  /// transforms and attention, forward and backward, on all threads.
  ///
  /// A multiplication with its addition is two. Elementwise work, sums, norms, softmax and what a backward
  /// pass computes again do not count.
  /// - Throws: `TensorError` when operations are counted already.
  public static func countingOperations(_ body: () throws -> Void) throws -> Double {
    guard ct_count_begin() == 0 else { throw TensorError.last }
    var isOpen = true
    defer { if isOpen { _ = ct_count_end() } }
    try body()
    isOpen = false
    return ct_count_end()
  }

  /// Waits until a device has done everything asked of it.
  public static func synchronize(_ device: Device) throws {
    guard ct_synchronize(device.number) == 0 else { throw TensorError.last }
  }
}
