extension TaskDescription {
  /// Grey images pixel by pixel: which of ten things one shows.
  static let image: TaskDescription = {
    var task = TaskDescription(CIFAR10.task, title: "Image")
    task.converters = [{ CIFAR10(task: $0, parameters: $1) }]
    task.form = {
      $0["color"] == .integer(1) ? .colours(size: CIFAR10.size) : .symbols
    }
    task.symbols = { _ in .greyLevels(size: CIFAR10.size) }
    task.benchmarkLength = CIFAR10.size * CIFAR10.size
    task.labels = .perExample(classes: 10)
    task.vocabularySize = 257
    task.isImage = true
    task.isAveraged = true
    task.layout = { _ in ImageLayout() }
    task.citation = citation(
      "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009")
    return task
  }()
}
