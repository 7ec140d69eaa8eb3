extension TaskDescription {
  /// The tasks of the Long Range Arena, in its order.
  public static let benchmark: [TaskDescription] = [
    .listOps, .text, .retrieval, .image, .pathfinder, .pathX,
  ]

  private static let added = Guarded<[TaskDescription]>([])

  /// Every task: the benchmark's and those that were added.
  public static var known: [TaskDescription] { benchmark + added.withLock { $0 } }

  /// Makes a task of another package known; one of the same name that was added before is replaced.
  ///
  /// The benchmark's names stay the benchmark's.
  ///
  /// Call it before a dataset of the task is opened.
  public static func add(_ task: TaskDescription) {
    added.withLock { added in
      added.removeAll { $0.name == task.name }
      added.append(task)
    }
  }

  /// The task of a name; nil for a user's own.
  public static func named(_ name: String) -> TaskDescription? {
    known.first { $0.name == name }
  }

  /// The task of a dataset; a user's own when no other has it.
  ///
  /// - Parameter stored: the task as the index has it.
  static func of(stored: String, _ parameters: Parameters = [:]) -> TaskDescription {
    let fitting = known.filter { $0.stored == stored }
    return fitting.first { $0.holds(parameters) } ?? fitting.first ?? own(stored)
  }
}

extension DatasetSummary {
  /// Its parameters by name.
  public var parameters: TaskDescription.Parameters { CanonicalJSON.decode(config) ?? [:] }

  /// What is known of its task.
  public var taskDescription: TaskDescription { .of(stored: task, parameters) }
}

extension DatasetRecord {
  /// Its parameters by name.
  var parameters: TaskDescription.Parameters { CanonicalJSON.decode(config) ?? [:] }

  /// What is known of its task.
  var taskDescription: TaskDescription { .of(stored: task, parameters) }
}
