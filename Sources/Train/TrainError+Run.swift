extension TrainError {
  /// A model whose attention has no heads that can be taken out.
  static func noHeads(_ model: String, lowRank: Int) -> TrainError {
    TrainError(
      .usage,
      lowRank > 0
        ? "train.pruning: heads wants whole matrices, but model.low_rank = \(lowRank) factors them"
        : "train.pruning: heads: \(model) has no heads with projections q, k, v and out",
      next: "use train.pruning=magnitude, which takes out single weights of linear layers")
  }

  /// A share of heads that takes none out, or the last of a layer.
  static func headShare(_ share: Double, heads: Int, layers: Int, removed: Int) -> TrainError {
    TrainError(
      .usage,
      "train.pruning_sparsity = \(share) takes out \(removed) of \(heads) heads in \(layers) "
        + "layers; at least one, and one stays in every layer",
      next: heads > layers
        ? "choose a share from \(shareText(1, heads)) to \(shareText(heads - layers, heads))"
        : "give the model more heads: --set model.num_heads=4")
  }

  private static func shareText(_ part: Int, _ whole: Int) -> String {
    String((Double(part) / Double(whole) * 10_000).rounded() / 10_000)
  }

  /// A model's L x L matrices are larger than the machine's memory.
  static func needsMemory(_ model: String, length: Int, gigabytes: Double, of there: Double)
    -> TrainError
  {
    let words = [gigabytes, there].map { Int($0.rounded(.up)).grouped }
    return TrainError(
      .failure,
      "\(model) holds matrices of \(length.grouped) x \(length.grouped), at least \(words[0]) GB in a "
        + "step; this machine has \(words[1]) GB",
      next: "raise train.accumulate, cut data.max_length, or choose a model whose memory is not L^2"
    )
  }

  /// A split holds pairs where the model takes single sequences, or the other way round.
  static func otherExamples(_ dataset: String, _ split: String, pairs: Bool) -> TrainError {
    TrainError(
      .usage,
      pairs
        ? "\(dataset) \(split) holds single sequences; the model compares pairs of documents"
        : "\(dataset) \(split) holds pairs of documents; the model takes single sequences",
      next: "name a dataset and a split of the model's task")
  }

  /// No tensor of another run has the name and shape of one of ours.
  static func nothingFits(_ run: String) -> TrainError {
    TrainError(
      .usage, "no weight of \(run) fits this model", path: run,
      next: "give train.initial a run of the same model and width")
  }

  /// A run that cannot teach another.
  static func noTeacher(_ run: String, task: String) -> TrainError {
    TrainError(
      .usage, "\(run) cannot teach here: it does not classify \(task) at this length", path: run,
      next: "give train.teacher a run of the same task")
  }

  /// A run that learned hidden tokens knows no classes.
  static func noClasses(_ run: String) -> TrainError {
    TrainError(
      .usage, "\(run) learned hidden tokens, not classes", path: run,
      next: "train on from it with: lra-train --set train.initial=\(run)")
  }

  /// A launcher's variable is not there.
  static func launchLacks(_ name: String) -> TrainError {
    TrainError(
      .usage, "\(name) is not set, though this is one of several processes",
      next: "start them with torchrun or srun, which set it")
  }

  /// A launcher's variable says nothing sensible.
  static func launchVariable(_ name: String, _ text: String, _ range: ClosedRange<Int>)
    -> TrainError
  {
    TrainError(
      .usage, "\(name) is \(text); it is a number from \(range.lowerBound) to \(range.upperBound)",
      next: "start the processes with torchrun or srun, which set it")
  }

  /// The attention span of this model is not measured.
  static func noSpan(_ model: String) -> TrainError {
    TrainError(
      .usage,
      "the attention span of \(model) is not measured: it does not weigh all pairs of tokens",
      next: "name a run of the transformer, as the paper measured")
  }

  /// No examples to measure on.
  static func noExamples(_ count: Int) -> TrainError {
    TrainError(
      .usage, "--examples is \(count); at least 1 is needed", next: "write --examples 1000")
  }

  /// The loss became infinite or not a number.
  static func diverged(_ run: String, step: Int, lastGood: Int?) -> TrainError {
    let kept = lastGood.map { "; checkpoint of step \($0.grouped) is kept" } ?? ""
    return TrainError(
      .diverged, "\(run) diverged: the loss of step \(step.grouped) is not a number\(kept)",
      path: run, position: step,
      next: "try a lower learning rate: --set optimizer.learning_rate=..., or clip gradients: "
        + "--set optimizer.grad_clip_norm=1")
  }

  /// All steps are done and validation never rose above the majority class.
  static func plateau(_ run: String, best: String, majority: String?) -> TrainError {
    TrainError(
      .plateau,
      "\(run) stayed on its plateau: best validation accuracy \(best)"
        + (majority.map { ", majority class \($0)" } ?? ""),
      path: run, next: "train longer: lra-train resume \(run) --steps N, or with another seed")
  }

  /// A signal stopped the run; a checkpoint holds its state.
  static func interrupted(_ run: String, step: Int, of steps: Int, database: String) -> TrainError {
    TrainError(
      .interrupted,
      "interrupted: step \(step.grouped) of \(steps.grouped) is safe in \(run)", path: run,
      position: step, next: "resume with: lra-train resume \(run) --db \(database)")
  }

  /// A checkpoint's files do not give their digests.
  static func checkpointDamaged(_ path: String, _ file: String, previous: String?) -> TrainError {
    TrainError(
      .checksumMismatch, "\(path)/\(file) does not match its checksum", path: path,
      next: previous.map { "remove \(path) to go on from \($0)" }
        ?? "remove the run's folder and train again")
  }

  /// A checkpoint lacks its state.
  static func notACheckpoint(_ path: String, _ why: String) -> TrainError {
    TrainError(
      .malformed, "\(path) is not a checkpoint: \(why)", path: path,
      next: "remove the folder to go on from an earlier checkpoint")
  }

  /// The run has nothing to evaluate or to resume.
  static func noCheckpoint(_ run: String) -> TrainError {
    TrainError(
      .usage, "\(run) has no checkpoint", path: run,
      next: "let it train until its first checkpoint: lra-train resume \(run)")
  }

  /// The option --checkpoint names none of the run's checkpoints.
  static func unknownCheckpoint(_ name: String, _ run: String, known: [Int]) -> TrainError {
    let steps = known.map { String($0) }.joined(separator: ", ")
    return TrainError(
      .usage, "\(run) has no checkpoint \(name)", path: run,
      next: "choose best, last, or one of its steps: \(steps)")
  }

  /// The dataset is another one than the run was trained on.
  static func dataDiffers(_ run: String, dataset: String, digest: String, own: String)
    -> TrainError
  {
    TrainError(
      .configurationDiffers,
      "\(run) was made with data \(own.prefix(12)), but \(dataset) is now \(digest.prefix(12))",
      path: run,
      next: "name the database it was trained on (--db), or train anew into another folder (--out)")
  }

  /// The recipe of a run was changed by hand.
  static func recipeEdited(_ path: String, _ differences: [String]) -> TrainError {
    TrainError(
      .configurationDiffers,
      "\(path) is not what the run began with: \(differences.joined(separator: "; "))", path: path,
      next: "put the old values back, or train anew with: lra-train --recipe \(path) --out OTHER")
  }

  /// The database that a run was made from is gone.
  static func noDatabase(_ run: String, _ database: String) -> TrainError {
    TrainError(
      .usage, "\(run) was made from \(database), which is not there, nor beside the run", path: run,
      next: "name the database with --db")
  }

  /// A dataset that a run's model does not take.
  static func unfit(_ run: String, _ own: String, dataset: String, _ other: String) -> TrainError {
    TrainError(
      .usage, "\(run) was trained on \(own); \(dataset) is \(other)", path: run,
      next: "name a dataset of the same task, classes and symbols")
  }

  /// `resume --steps` asks for fewer steps than are done.
  static func tooFewSteps(_ asked: Int, done: Int) -> TrainError {
    TrainError(
      .usage, "--steps \(asked.grouped): the run has done \(done.grouped) steps already",
      next: "ask for more than \(done.grouped) steps")
  }
}

extension Int {
  /// The number with its digits in groups of three.
  var grouped: String {
    var text = ""
    for (index, digit) in String(magnitude).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { text.append(" ") }
      text.append(digit)
    }
    return (self < 0 ? "-" : "") + String(text.reversed())
  }
}
