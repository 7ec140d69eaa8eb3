import Attention
import Datasets
import Foundation
import Tensors

/// Trains one run: the loop, its evaluations and its checkpoints.
///
/// Everything a step does is a pure function of the recipe, the weights and the step's number, so a
/// run that goes on from a checkpoint repeats the uninterrupted one bit for bit on the same machine
/// and thread count. All tensor work happens on the thread that calls `run`. Of several processes the
/// first alone writes; the others compute their share of every batch.
public final class Trainer {
  /// What happens while a run goes on.
  public enum Event: Sendable {
    /// A step is done.
    case step(Progress)
    /// An evaluation on the validation split is done; whether it is the best so far.
    case evaluated(step: Int, Evaluation, isBest: Bool)
    /// A checkpoint is on the disk.
    case saved(step: Int)
    /// The index cannot be written; the rows stay in the run's folder until it can.
    case rowsWait(why: String)
  }

  /// The state of a run after a step.
  public struct Progress: Sendable {
    /// Steps done.
    public var step = 0
    /// Steps of the whole run.
    public var steps = 0
    /// Mean cross entropy over recent steps, in nats.
    public var loss = 0.0
    /// Share of right predictions over recent steps.
    public var accuracy = 0.0
    /// Steps per second of training, evaluations apart.
    public var stepsPerSecond = 0.0
    /// Real tokens per second of training.
    public var tokensPerSecond = 0.0
    /// Share of training time spent waiting for data.
    public var wait = 0.0
    /// The best evaluation so far.
    public var best: CheckpointState.Validation?
    /// Seconds until the last step at this speed.
    public var secondsLeft = 0.0
  }

  /// The run's recipe.
  public let recipe: Recipe
  /// The run's folder.
  public let folder: RunFolder
  /// How many values are trained.
  public let parameterCount: Int

  let runner: ModelRunner
  let data: RunData
  /// Parameters that `train.initial` does not have.
  private var newParameters: [String] = []
  private let updater: Updater
  private let lock: RunLock?
  private let machine: Machine
  private let baselineBytes: Int
  private var state: CheckpointState
  private var meter = Meter()
  /// Whether it was said that the index cannot be written.
  private var saidRowsWait = false

  /// Prepares a new run, or goes on with the last checkpoint of one that exists.
  ///
  /// - Throws: `locked` when another process trains in the folder; `configurationDiffers` when the
  ///   data is not what the run began with; what building the model throws.
  public init(
    _ recipe: Recipe, in folder: RunFolder, data: RunData, device: Device,
    group: ProcessGroup = .alone
  ) throws {
    lock = group.rank == 0 ? try folder.lock() : nil
    if group.rank == 0 { Checkpoint.sweep(folder) }
    try group.wait()
    self.recipe = recipe
    self.folder = folder
    self.data = data
    machine = Machine(device: device)
    baselineBytes = Machine.peakBytes
    try recipe.requireMemory(on: device)
    runner = try ModelRunner(recipe, device: device, group: group)
    parameterCount = runner.network.parameters.valueCount
    if !recipe.train.teacher.isEmpty {
      runner.teacher = try Run(recipe.train.teacher).teacher(for: recipe, device: device)
    }
    updater = try Updater(runner)
    state = CheckpointState(
      step: 0, evaluated: nil,
      loader: .init(seed: recipe.train.randomSeed, epoch: 0, position: 0),
      best: nil, recipeSha256: recipe.digestText, dataDigest: data.digest)
    try folder.require(data: data.digest, dataset: recipe.data.dataset)
    if let last = folder.checkpointSteps().last {
      let checkpoint = try Checkpoint.open(folder, step: last)
      try checkpoint.restore(runner.network.parameters)
      try checkpoint.restore(updater.optimizer, updater.pruner)
      state = checkpoint.state
      state.recipeSha256 = recipe.digestText
    } else if !recipe.train.initial.isEmpty {
      newParameters = try Run(recipe.train.initial).initialize(runner.network.parameters)
    }
  }

  /// The step that the run goes on from; 0 for a new one.
  public var firstStep: Int { state.step }

  /// Trains until the last step, then tests the best and the last checkpoint.
  ///
  /// - Parameters:
  ///   - isCancelled: asked after every step; true saves a checkpoint and throws `interrupted`.
  ///   - report: called after every step and evaluation, on this thread.
  /// - Returns: the result; its state is `finished` or `plateau`.
  /// - Throws: `TrainError` `diverged` or `interrupted`; what data and disk throw.
  public func run(
    isCancelled: () -> Bool = { false }, report: (Event) -> Void = { _ in }
  ) throws -> RunResult {
    /// All processes stop when one is asked to.
    func isStopped() throws -> Bool { try runner.group.sum([isCancelled() ? 1 : 0])[0] > 0 }
    guard runner.group.rank == 0 else {
      try train(nil, isStopped, report)
      return try test(nil, isStopped)
    }
    let logs = try RunLogs(folder, resumingAfter: state.step)
    do {
      try stand(.running, logs, report)
      try logs.note(
        "\(folder.name) from step \(state.step) on \(machine), data \(data.digest), recipe \(recipe.digestText)"
      )
      for group in recipe.describe(recipe.parameterGroups(runner.network.parameters)) {
        try logs.note(group.text)
      }
      for advice in recipe.advice { try logs.note(advice) }
      if !newParameters.isEmpty {
        try logs.note(
          "begins with \(recipe.train.initial) but for \(newParameters.joined(separator: ", "))")
      }
      try train(logs, isStopped, report)
      let result = try test(logs, isStopped)
      if let left = result.nonzeroParameters {
        try logs.note("\(left) of \(result.parameters) weights are not zero")
      }
      try logs.note("\(result.state.rawValue) at step \(state.step)")
      try result.save(in: folder)
      try stand(result.state, logs, report)
      return result
    } catch {
      let diverged = (error as? TrainError)?.code == .diverged
      try logs.note("\(error)".replacing("\n", with: "; "))
      try stand(diverged ? .diverged : .interrupted, logs, report)
      throw error
    }
  }

  /// Says how the run stands: in its folder, then in the index when that can be written.
  private func stand(
    _ runState: RunRecord.State, _ logs: RunLogs, _ report: (Event) -> Void
  ) throws {
    let identity = RunIdentity(
      database: RunIdentity.realPath(data.database), dataset: recipe.data.dataset,
      dataDigest: data.digest, recipe: recipe.yaml, recipeSha256: recipe.digestText,
      seed: recipe.train.randomSeed, machine: machine.description, state: runState)
    try identity.save(in: folder)
    // The end may wait a moment, training may not.
    try follow(logs, patience: runState == .running ? 0.2 : 2, report)
  }

  /// Writes the rows of the index that are missing there; training never ends because of it.
  private func follow(
    _ logs: RunLogs?, patience: Double = 0.2, _ report: (Event) -> Void
  ) throws {
    guard runner.group.rank == 0,
      let why = folder.index(in: data.database, patience: patience), !saidRowsWait
    else { return }
    saidRowsWait = true
    try logs?.note("rows of the index wait: \(why)")
    report(.rowsWait(why: why))
  }

  // MARK: The loop

  private func train(
    _ logs: RunLogs?, _ isCancelled: () throws -> Bool, _ report: (Event) -> Void
  ) throws {
    let steps = recipe.train.numTrainSteps
    let loader = try Loader(
      training: data.train, recipe, share: runner.group.share, firstStep: state.step + 1)
    defer { loader.stop() }
    try evaluateIfDue(logs, isCancelled, report)
    var waited = 0.0
    while state.step < steps {
      let clock = ContinuousClock.now
      guard let batch = try loader.next() else { break }
      let outcome = try updater.update(batch)
      state.step = batch.number
      state.loader = place(after: batch.number)
      let seconds = (ContinuousClock.now - clock).seconds
      let wait = loader.waitedSeconds - waited
      waited = loader.waitedSeconds
      try logs?.step(
        MetricsLine(
          step: state.step, split: "train", loss: outcome.loss, accuracy: outcome.accuracy,
          learningRate: outcome.learningRate, seconds: seconds, wait: wait))
      guard outcome.loss.isFinite else {
        throw TrainError.diverged(
          folder.path, step: state.step, lastGood: folder.checkpointSteps().last)
      }
      meter.add(
        loss: outcome.loss, accuracy: outcome.accuracy, seconds: seconds, wait: wait,
        tokens: runner.group.world * batch.lengths.reduce(0) { $0 + Int($1) })
      report(.step(progress))
      try evaluateIfDue(logs, isCancelled, report)
      if state.step % recipe.eval.checkpointFreq == 0 || state.step == steps {
        try save(report)
      }
      if state.step < steps { try stopIfCancelled(isCancelled, report) }
    }
  }

  private func place(after step: Int) -> CheckpointState.Place {
    let next = data.plan.place(ofStep: step + 1)
    return .init(seed: recipe.train.randomSeed, epoch: next.epoch, position: next.position)
  }

  // MARK: Evaluations and checkpoints

  private func evaluateIfDue(
    _ logs: RunLogs?, _ isCancelled: () throws -> Bool, _ report: (Event) -> Void
  ) throws {
    let due =
      state.step > (state.evaluated?.step ?? 0)
      && (state.step % recipe.eval.evalFrequency == 0 || state.step == recipe.train.numTrainSteps)
    guard due else { return }
    let clock = ContinuousClock.now
    guard
      let found = try runner.evaluate(
        data.validation, limit: data.validationLimit, isCancelled: isCancelled)
    else { return try stopIfCancelled({ true }, report) }
    let validation = CheckpointState.Validation(
      step: state.step, accuracy: found.accuracy.value, loss: found.loss)
    // A checkpoint that is not fully pruned cannot be the best.
    let isBest =
      state.step >= recipe.firstPrunedStep
      && Double(state.step) > recipe.eval.selectAfter * Double(recipe.train.numTrainSteps)
      && recipe.eval.prefers(found, to: state.best)
    state.evaluated = validation
    if isBest { state.best = validation }
    try logs?.evaluation(
      found, split: data.isMasked ? "masked" : "validation", step: state.step,
      seconds: (ContinuousClock.now - clock).seconds)
    report(.evaluated(step: state.step, found, isBest: isBest))
    if isBest { try save(report) }
    try follow(logs, report)
  }

  private func save(_ report: (Event) -> Void) throws {
    if runner.group.rank == 0 { try write(report) }
    try runner.group.wait()  // whoever reads it next finds it whole
  }

  private func write(_ report: (Event) -> Void) throws {
    if let saved = folder.checkpointSteps().last, saved == state.step,
      let there = try? Checkpoint.open(folder, step: saved), there.state.best == state.best,
      there.state.evaluated == state.evaluated
    {
      return  // saved a moment ago, as the best
    }
    _ = try Checkpoint.save(
      folder, state, runner.network.parameters, updater.optimizer, updater.pruner)
    Checkpoint.prune(folder, keeping: Set([state.step] + (state.best.map { [$0.step] } ?? [])))
    report(.saved(step: state.step))
  }

  private func stopIfCancelled(
    _ isCancelled: () throws -> Bool, _ report: (Event) -> Void
  ) throws {
    guard try isCancelled() else { return }
    try save(report)
    throw TrainError.interrupted(
      folder.path, step: state.step, of: recipe.train.numTrainSteps, database: data.database)
  }

  // MARK: The end

  private func test(_ logs: RunLogs?, _ isCancelled: () throws -> Bool) throws -> RunResult {
    let split = data.isMasked ? "masked" : "test"
    // The earlier step first: readers of event files drop steps that go back.
    var earlier: TestScore?
    if let step = state.best?.step, step != state.step {
      let score = try testScore(step: step, isCancelled)
      try logs?.evaluation(score.test, split: split, step: step, seconds: nil)
      earlier = score
    }
    let last = try testScore(step: state.step, isCancelled)
    try logs?.evaluation(last.test, split: split, step: state.step, seconds: nil)
    let best = earlier ?? last
    let validation = state.best?.accuracy ?? 0
    let majority = try data.baselines(on: data.validation, limit: data.validationLimit).majority
    let count = min(data.validationLimit ?? .max, data.validation.count)
    let counted = Accuracy(correct: Int((validation * Double(count)).rounded()), count: count)
    let nonzero = try updater.pruner.map { _ in try runner.network.parameters.nonzeroCount() }
    return RunResult(
      run: folder.path, state: counted.interval.lowerBound > majority ? .finished : .plateau,
      step: state.step, seed: recipe.train.randomSeed, parameters: parameterCount,
      nonzeroParameters: nonzero,
      best: best.score(validation: state.best?.accuracy),
      last: last.score(validation: state.evaluated?.accuracy),
      baselines: try data.baselines(on: data.test), mcnemar: best.mcnemar.map { [$0] },
      strata: best.strata,
      stepsPerSecond: meter.stepsPerSecond, wait: meter.wait,
      peakBytes: max(0, Machine.peakBytes - baselineBytes),
      recipeDigest: recipe.digestText, dataDigest: data.digest, validationMajority: majority)
  }

  private func testScore(step: Int, _ isCancelled: () throws -> Bool) throws -> TestScore {
    try Checkpoint.open(folder, step: step).restore(runner.network.parameters)
    var right = RightPredictions(data.test)
    let masked = data.isMasked
    let found = try runner.evaluate(
      data.test, limit: masked ? data.validationLimit : nil, isCancelled: isCancelled,
      collect: { if !masked { right.add($0, $1) } })
    guard let test = found else {
      throw TrainError.interrupted(
        folder.path, step: state.step, of: recipe.train.numTrainSteps, database: data.database)
    }
    if masked { return TestScore(step: step, test: test) }
    try right.join(runner.group)
    guard runner.group.rank == 0 else { return TestScore(step: step, test: test) }
    return TestScore(
      step: step, test: test, strata: try right.strata(),
      mcnemar: try data.pairedTest(right, on: data.test))
  }

  private var progress: Progress {
    var progress = Progress()
    progress.step = state.step
    progress.steps = recipe.train.numTrainSteps
    progress.loss = meter.loss
    progress.accuracy = meter.accuracy
    progress.stepsPerSecond = meter.stepsPerSecond
    progress.tokensPerSecond = meter.tokensPerSecond
    progress.wait = meter.wait
    progress.best = state.best
    progress.secondsLeft =
      Double(progress.steps - progress.step) / max(meter.stepsPerSecond, 1e-9)
    return progress
  }
}

extension Recipe.EvalPart {
  /// Whether an evaluation beats the best so far: by `select`, then the lower loss; the earlier
  /// step keeps a tie.
  func prefers(_ found: Evaluation, to best: CheckpointState.Validation?) -> Bool {
    guard let best else { return true }
    if select == .accuracy && found.accuracy.value != best.accuracy {
      return found.accuracy.value > best.accuracy
    }
    return found.loss < best.loss
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// A path as seen from the folder of a file; the index holds all its paths so.
func relativePath(_ path: String, toFolderOf file: String) -> String {
  func parts(_ path: String) -> [String] {
    URL(fileURLWithPath: path).standardizedFileURL.pathComponents
  }
  let (target, base) = (parts(path), Array(parts(file).dropLast()))
  let common = zip(target, base).prefix { $0 == $1 }.count
  let up = [String](repeating: "..", count: base.count - common)
  return (up + target.dropFirst(common)).joined(separator: "/")
}
