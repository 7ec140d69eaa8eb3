import Testing
import ToolRunner

/// A folder with expressions of at most 63 tokens, on which training takes a moment.
func listOpsFolder(
  train: Int, validation: Int, test: Int, maxArgs: Int = 10
) throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let made = try folder.data(
    "gen", "listops", "--len", "64", "--max-depth", "3", "--max-args", "\(maxArgs)", "--train",
    "\(train)", "--validation", "\(validation)", "--test", "\(test)", "--quiet")
  try #require(made.exit == 0, "\(made.error)")
  return folder
}
