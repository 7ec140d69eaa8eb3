import Console
import Tensors
import Train

/// Prints a run as it goes on: header, progress, evaluations off a terminal, scores.
struct RunPrinter {
  private let common: CommonOptions
  private let recipe: Recipe
  private let database: String
  private let line: ProgressLine
  /// Of several processes the first alone speaks.
  private let isSilent: Bool

  init(_ common: CommonOptions, _ recipe: Recipe, database: String, rank: Int) {
    self.common = common
    self.recipe = recipe
    self.database = database
    isSilent = rank > 0
    line = ProgressLine(quiet: common.quiet || isSilent)
  }

  /// What is trained, and where.
  func begin(_ trainer: Trainer, device: Device, processes: Int) {
    if common.json || common.quiet || isSilent { return }
    let model = recipe.model
    let parts = [
      recipe.data.dataset, model.modelType, "recipe \(recipe.protocolName)",
      "\(model.numLayers) layers, width \(model.embDim), \(model.numHeads) heads, "
        + "\(Format.short(Double(trainer.parameterCount))) parameters",
      (processes > 1 ? "\(processes) processes, " : "")
        + "\(device), \(Engine.threads) threads, \(recipe.train.precision.rawValue)",
      "seed \(recipe.train.randomSeed)",
    ]
    Terminal.out(parts.joined(separator: " · "))
    let from = trainer.firstStep > 0 ? " (from step \(Format.count(trainer.firstStep)))" : ""
    Terminal.out("run \(trainer.folder.path)\(from)")
    recipe.advice.forEach { Terminal.err($0) }
  }

  /// Progress, and what evaluations found.
  func show(_ event: Trainer.Event) {
    switch event {
    case .step(let progress): line.show { text(progress) }
    case .evaluated(let step, let found, let isBest):
      if common.quiet || isSilent || Terminal.Stream.error.isTerminal { return }
      Terminal.err(
        "step \(Format.count(step))  validation \(Format.percent(found.accuracy.value))  "
          + "loss \(Format.fraction(found.loss, 3))\(isBest ? "  best" : "")")
    case .saved: break
    case .rowsWait(let why):
      if common.quiet || isSilent { return }
      line.clear()
      Terminal.err("\(why): the run's rows stay in its folder and are written when they can be")
    }
  }

  /// Removes the progress line.
  func clear() { line.clear() }

  /// The scores, or the JSON object.
  func end(_ result: RunResult) throws {
    line.clear()
    if isSilent { return }
    if common.json { return try JSONOutput.print(command: "train", result) }
    scores(result)
    if result.plateau != nil { return }  // which says itself what to do
    let run = shellQuoted(result.run)
    if recipe.train.objective == .masked {
      let option = database == "data.sqlite" ? "" : " --db \(shellQuoted(database))"
      return Terminal.err("Next: lra-train --set train.initial=\(run)\(option)")
    }
    Terminal.err(
      "Next: lra-train resume \(run) --steps \(2 * result.step)"
        + " · lra-train report --db \(shellQuoted(database))")
  }

  /// The scores of a run that was finished before; it ends as it ended then.
  func alreadyDone(_ result: RunResult) throws {
    if isSilent { return }
    if common.json {
      try JSONOutput.print(command: "train", result)
    } else {
      Terminal.out("\(result.run) is finished: nothing to do")
      scores(result)
    }
    finish(result)
  }

  /// Ends the command: a plateau is told on stderr, and is no failure of the command.
  func finish(_ result: RunResult) {
    guard let plateau = result.plateau, !isSilent else { return }
    Terminal.err(plateau.message)
    if let next = plateau.next { Terminal.err(next) }
  }

  private func scores(_ result: RunResult) {
    let masked = recipe.train.objective == .masked
    let baselines =
      [(masked ? "most frequent" : "majority class", result.baselines.majority)]
      + (result.baselines.firstToken.map { [("first token", $0)] } ?? [])
    for (index, (name, score)) in [("best", result.best), ("last", result.last)].enumerated() {
      let what = masked ? "masked" : "test"
      let left = Format.pad("\(what) at \(name) (step \(Format.count(score.step)))", 28)
      let interval =
        "[\(Format.fraction(score.ci95[0] * 100, 1)), \(Format.fraction(score.ci95[1] * 100, 1))]"
      var text = "\(left)\(Format.percent(score.test)) \(interval)"
      if index < baselines.count {
        text += "      \(Format.pad(baselines[index].0, 15))\(Format.percent(baselines[index].1))"
      }
      Terminal.out(text)
    }
    if let left = result.nonzeroParameters {
      Terminal.out(
        "\(Format.count(left)) of \(Format.count(result.parameters)) parameters are not zero")
    }
  }

  private func text(_ progress: Trainer.Progress) -> String {
    let best = progress.best.map {
      "  best \(Format.percent($0.accuracy)) @\(Format.count($0.step))"
    }
    return "\(Format.count(progress.step))/\(Format.count(progress.steps))"
      + "  loss \(Format.fraction(progress.loss, 3))  acc \(Format.percent(progress.accuracy))"
      + "  \(Format.fraction(progress.stepsPerSecond, 1)) steps/s"
      + "  \(Format.short(progress.tokensPerSecond)) tok/s"
      + "  data wait \(Format.percent(progress.wait))" + (best ?? "")
      + "  \(Format.seconds(progress.secondsLeft)) left"
  }
}
