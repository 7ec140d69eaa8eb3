import Foundation

extension Benchmark {
  /// What was measured at one length.
  public struct Case: Codable, Sendable, Equatable {
    /// The model.
    public var model: String
    /// Tokens per row.
    public var length: Int
    /// Training steps per second.
    public var stepsPerS: Spread
    /// Peak resident memory above what the process held before the model was built.
    public var peakBytes: Int
    /// The paper's steps per second on its hardware; nil where it gives none.
    @OrNull public var paper: Double?
    /// The loss of the last step, for comparisons.
    public var loss: Double
    /// Forward passes per second without gradients; nil in files of earlier versions, as what follows.
    public var forwardPerS: Spread?
    /// How many values are trained.
    public var parameters: Int?
    /// Floating-point operations of a training step: see `Engine.countingOperations`.
    public var flops: Double?
    /// Floating-point operations of a forward pass.
    public var forwardFlops: Double?
    /// The share of the processors' time that others used while steps were timed.
    public var otherLoad: Double?
    /// Whether others used more than a tenth, or a step took a quarter longer than the median.
    public var disturbed: Bool?
    /// How often the case was measured; the least disturbed measurement counts.
    public var measured: Int?
  }

  /// The exponent a of time ~ L^a, fitted to the medians of a model's cases.
  ///
  /// - Returns: nil with fewer than two lengths.
  public static func exponent(_ cases: [Case]) -> Double? {
    slope(cases.map { (Double($0.length), 1 / $0.stepsPerS.median) })
  }

  /// The exponent a of peak memory ~ L^a.
  ///
  /// - Returns: nil with fewer than two lengths.
  public static func memoryExponent(_ cases: [Case]) -> Double? {
    slope(cases.map { (Double($0.length), Double($0.peakBytes)) })
  }

  /// The paper's ratio of a model's steps per second to the Transformer's; nil where it gives none.
  public static func paperRatio(_ model: String, length: Int) -> Double? {
    guard let own = PaperSpeed.stepsPerSecond(model, length: length),
      let reference = PaperSpeed.stepsPerSecond("transformer", length: length)
    else { return nil }
    return own / reference
  }

  /// The least-squares slope of the logarithms of positive values.
  private static func slope(_ points: [(x: Double, y: Double)]) -> Double? {
    let usable = points.filter { $0.x > 0 && $0.y > 0 && $0.y.isFinite }
    guard Set(usable.map(\.x)).count > 1 else { return nil }
    let x = usable.map { log($0.x) }
    let y = usable.map { log($0.y) }
    let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    return covariance / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
  }
}

/// Table 2 of Tay and others 2020: training steps per second on byte-level text, 4x4 TPU v3 chips.
enum PaperSpeed {
  private static let table = Reproduction.builtIn.first { $0.name == "lra-efficiency" }?.efficiency

  /// The paper's figure; 1K stands for 1,000 or 1,024 tokens.
  static func stepsPerSecond(_ model: String, length: Int) -> Double? {
    table?.column(length: length).flatMap { table?.stepsPerSecond[model]?[$0] }
  }
}

extension Reproduction.Efficiency {
  /// The place of a length in the lists; 1K stands for 1,000 or 1,024 tokens, nil for others.
  func column(length: Int) -> Int? {
    lengths.firstIndex { length == $0 || length == $0 / 1000 * 1024 }
  }
}

/// How much of the processors others use, from the counters of the kernel.
struct OtherLoad {
  private let began: (busy: Double, total: Double, own: Double)?

  /// Begins to count.
  init() { began = OtherLoad.counters() }

  /// The share of all processors' time that other processes used since the beginning; 0 where the
  /// kernel does not say.
  func share() -> Double {
    guard let began, let now = OtherLoad.counters(), now.total > began.total else { return 0 }
    let others = (now.busy - began.busy) - (now.own - began.own)
    return min(1, max(0, others / (now.total - began.total)))
  }

  /// Seconds that all processors were busy, seconds in all, and seconds that this process used.
  private static func counters() -> (busy: Double, total: Double, own: Double)? {
    guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
      let line = text.split(separator: "\n").first
    else { return nil }
    let ticks = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
    let perSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
    guard ticks.count == 8, perSecond > 0 else { return nil }
    let total = ticks.reduce(0, +)  // user nice system idle iowait irq softirq steal
    let busy = total - ticks[3] - ticks[4]
    var usage = rusage()
    #if os(macOS)
      getrusage(RUSAGE_SELF, &usage)
    #else
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    return (
      busy / perSecond, total / perSecond, seconds(usage.ru_utime) + seconds(usage.ru_stime)
    )
  }
}
