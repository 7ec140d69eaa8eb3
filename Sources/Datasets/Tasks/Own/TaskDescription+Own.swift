extension TaskDescription {
  /// A user's own task, by the name that its datasets have.
  static func own(_ name: String) -> TaskDescription {
    var task = TaskDescription(name)
    task.converters = [
      { LabelledText(task: $0, parameters: $1) }, { LabelledArrays(task: $0, parameters: $1) },
      { LabelledRecords(task: $0, parameters: $1) },
    ]
    task.symbols = {
      ["tsv", "csv", "jsonl"].map(ParameterValue.string).contains($0["converter"])
        ? .bytes : .numbers
    }
    return task
  }
}
