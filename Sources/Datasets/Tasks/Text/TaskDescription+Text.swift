extension TaskDescription {
  /// Byte-level text: whether a film review is positive.
  static let text: TaskDescription = {
    var task = TaskDescription(IMDb.task, title: "Text")
    task.converters = [{ IMDb(task: $0, parameters: $1) }]
    task.symbols = { _ in .bytes }
    task.benchmarkLength = 4000
    task.labels = .perExample(classes: 2)
    task.vocabularySize = 257
    task.isAveraged = true
    task.layout = { _ in ReviewLayout() }
    return task
  }()
}
