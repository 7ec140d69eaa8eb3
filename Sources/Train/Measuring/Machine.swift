import Foundation
import Tensors

/// The machine a run is on, in words for people.
public struct Machine: Sendable, CustomStringConvertible {
  /// Processor, kernel tier, threads and device.
  public let description: String

  /// Describes this machine.
  public init(device: Device) {
    let processor =
      (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?
      .split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "unknown processor"
    description =
      "\(processor), \(Engine.kernelTier), \(Engine.threads) threads, \(device), libtorch \(Engine.version)"
  }

  /// The most memory this process had resident, in bytes.
  static var peakBytes: Int {
    var usage = rusage()
    #if os(macOS)
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #else
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return usage.ru_maxrss * 1024
    #endif
  }
}
