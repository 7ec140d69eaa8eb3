import Foundation

// The wordings about files that are not ours to write or to delete.

extension DatasetError {
  /// A file that this tool did not write stands where one is to be written.
  ///
  /// - Parameter dataset: nil when no other name would help.
  static func fileInTheWay(_ path: String, dataset: String?) -> DatasetError {
    let other = dataset.map { ", or use another name (--name \($0)-2)" } ?? ""
    return DatasetError(
      .configurationDiffers, "\(path) is in the way: it was not written by this tool", path: path,
      next: "nothing of it was changed; move it away\(other)")
  }

  /// A dataset's folder belongs to another database.
  static func folderOfAnother(_ folder: String, owner: String, dataset: String) -> DatasetError {
    DatasetError(
      .configurationDiffers, "\(folder) belongs to another database, \(owner)", path: folder,
      next: "use another name (--name \(dataset)-2) or a database in another folder")
  }

  static func cannotRemove(_ file: String, _ errno: Int32, dataset: String) -> DatasetError {
    DatasetError(
      .failure, "cannot remove \(file): \(String(cString: strerror(errno)))", path: file,
      next:
        "\(dataset) is marked as incomplete; the same command goes on when the file can be removed")
  }
}
