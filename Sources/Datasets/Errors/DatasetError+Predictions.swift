extension DatasetError {
  /// There is no file of predictions.
  static func noPredictions(_ path: String) -> DatasetError {
    DatasetError(
      .usage, "\(path) does not exist or is a folder", path: path,
      next: "name a NumPy file of logits [examples, classes] with --predictions")
  }

  /// A file of predictions is not what the split asks for.
  static func badPredictions(_ path: String, _ what: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(path): \(what)", path: path,
      next: "save the logits with numpy.save as float32 [examples, classes], row i for example i")
  }
}
