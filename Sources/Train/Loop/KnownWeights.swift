import Attention
import Datasets
import Tensors

extension Run {
  /// Copies the best weights of this run into parameters of the same names and shapes.
  ///
  /// Pretrained encoders begin a classifier so, and weights of short sequences a model of long ones.
  /// - Returns: names of the parameters that were not there, or of another shape.
  /// - Throws: `usage` when nothing fits.
  func initialize(_ parameters: [NamedParameter]) throws -> [String] {
    let tensors = try checkpoint("best").weights()
    var missing: [String] = []
    for named in parameters {
      let value = named.parameter.value
      guard let source = tensors[named.name], source.shape == value.shape else {
        missing.append(named.name)
        continue
      }
      try withoutGradient { try value.copy(from: source) }
    }
    guard missing.count < parameters.count else { throw TrainError.nothingFits(folder.path) }
    return missing
  }

  /// The run's model with its best weights, to learn from.
  ///
  /// - Throws: `usage` for a model of another task.
  func teacher(for student: Recipe, device: Device) throws -> ModelRunner {
    guard recipe.task == student.task, recipe.train.objective == .classify,
      recipe.modelConfiguration.numClasses == student.modelConfiguration.numClasses,
      recipe.data.maxLength >= student.data.maxLength
    else { throw TrainError.noTeacher(folder.path, task: student.task) }
    let runner = try ModelRunner(recipe, device: device)
    try checkpoint("best").restore(runner.network.parameters)
    return runner
  }
}
