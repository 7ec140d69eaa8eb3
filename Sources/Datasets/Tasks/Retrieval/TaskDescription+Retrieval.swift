extension TaskDescription {
  /// Byte-level retrieval: whether one of two papers cites the other.
  static let retrieval: TaskDescription = {
    var task = TaskDescription(AAN.task, title: "Retrieval")
    task.converters = [{ AAN(task: $0, parameters: $1) }]
    task.symbols = { _ in .bytes }
    task.benchmarkLength = 4000
    task.labels = .perExample(classes: 2)
    task.vocabularySize = 257
    task.towers = 2
    task.isAveraged = true
    task.layout = { _ in PairLayout() }
    task.citation = citation(
      "Radev, Muthukrishnan, Qazvinian and Abu-Jbara, The ACL Anthology Network Corpus, Language "
        + "Resources and Evaluation 47(4), 2013")
    return task
  }()
}
