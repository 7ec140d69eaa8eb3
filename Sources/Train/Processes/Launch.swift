import Tensors

/// How this process was started: alone, or as one of several by `torchrun` or `srun`.
///
/// Only the launchers' environment variables count: `RANK`, `WORLD_SIZE`, `LOCAL_RANK`,
/// `LOCAL_WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT` of torchrun; under `srun` the variables of the
/// step, with `MASTER_ADDR` and `MASTER_PORT` over what follows from its nodes and its number.
public struct Launch: Sendable, Equatable {
  /// This process, 0 ..< world.
  public var rank = 0
  /// All processes.
  public var world = 1
  /// This process among those of its machine.
  public var localRank = 0
  /// Processes of this machine.
  public var localWorld = 1
  /// Where process 0 is reached.
  public var address = ""
  /// Its port.
  public var port = 0
  /// Whether the launcher itself keeps the meeting point, as torchrun does.
  public var launcherServes = false
  /// The meeting's name: the launcher's count of restarts is in it.
  public var meeting = "lra"

  /// Longest wait for another process, in seconds: at the meeting and at every sum.
  public static let timeoutSeconds = 300.0

  /// A process on its own.
  public init() {}

  /// Reads the environment.
  ///
  /// - Throws: `TrainError` with code `usage` for a variable that is missing or no number.
  public init(_ environment: [String: String]) throws {
    func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
      guard let text = environment[name] else { throw TrainError.launchLacks(name) }
      guard let value = Int(text), range.contains(value) else {
        throw TrainError.launchVariable(name, text, range)
      }
      return value
    }
    let most = 1_000_000
    if environment["WORLD_SIZE"] != nil || environment["RANK"] != nil {
      world = try number("WORLD_SIZE", 1...most)
      rank = try number("RANK", 0...(world - 1))
      if environment["LOCAL_WORLD_SIZE"] != nil {
        localWorld = try number("LOCAL_WORLD_SIZE", 1...world)
      }
      if environment["LOCAL_RANK"] != nil { localRank = try number("LOCAL_RANK", 0...(world - 1)) }
      launcherServes = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
      if let restarts = environment["TORCHELASTIC_RESTART_COUNT"] { meeting += "-\(restarts)" }
    } else if environment["SLURM_STEP_NUM_TASKS"] != nil, environment["SLURM_PROCID"] != nil {
      world = try number("SLURM_STEP_NUM_TASKS", 1...most)
      rank = try number("SLURM_PROCID", 0...(world - 1))
      localRank = try number("SLURM_LOCALID", 0...(world - 1))
      localWorld = Launch.first(environment["SLURM_STEP_TASKS_PER_NODE"] ?? "1")
      address = Launch.firstNode(environment["SLURM_STEP_NODELIST"] ?? "localhost")
      // The same in all tasks of the step, and rarely another step's.
      let job = try number("SLURM_JOB_ID", 0...Int.max)
      let step = environment["SLURM_STEP_ID"].flatMap(Int.init) ?? 0
      port = 20_000 + (job &* 37 &+ step) % 20_000
    }
    guard world > 1 else { return }
    if let given = environment["MASTER_ADDR"] { address = given }
    guard !address.isEmpty else { throw TrainError.launchLacks("MASTER_ADDR") }
    if port == 0 || environment["MASTER_PORT"] != nil {
      port = try number("MASTER_PORT", 1...65_535)
    }
  }

  /// Joins the other processes; a process on its own has nobody to wait for.
  public func join() throws -> ProcessGroup {
    guard world > 1 else { return .alone }
    return try ProcessGroup(
      rank: rank, world: world, address: address, port: port,
      serves: rank == 0 && !launcherServes, name: meeting, timeoutSeconds: Launch.timeoutSeconds)
  }

  /// The leading number of Slurm's lists, such as 2 of `2(x3),1`.
  private static func first(_ list: String) -> Int { max(1, Int(list.prefix { $0.isNumber }) ?? 1) }

  /// The first node of Slurm's lists, such as `node03` of `node[03-05,9],login`.
  static func firstNode(_ list: String) -> String {
    guard let open = list.firstIndex(of: "["), !list[..<open].contains(",") else {
      return String(list.prefix { $0 != "," })
    }
    let digits = list[list.index(after: open)...].prefix { $0.isNumber }
    let rest = list[open...].drop { $0 != "]" }.dropFirst().prefix { $0 != "," }
    return String(list[..<open] + digits + rest)
  }
}
