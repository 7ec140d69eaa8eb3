import Foundation
import Testing
import ToolRunner

@Suite("lra-train on pairs of documents")
struct RetrievalTrainTests {
  @Test("the only task of the database is trained and evaluated; its documents alone are refused")
  func train() throws {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    let made = try Program.lraData.run(RetrievalFiles.convert + ["--quiet"], in: folder.path)
    try #require(made.exit == 0, "\(made.error)")
    let trained = try Program.lraTrain.run(
      [
        "--set", "data.max_length=64", "--set", "train.num_train_steps=4", "--set",
        "eval.eval_frequency=4", "--set", "train.batch_size=8", "--set", "train.accumulate=2",
        "--threads", "2",
      ], in: folder.path)
    #expect(trained.exit == 0, "\(trained.error)")
    #expect(
      trained.output.hasPrefix("retrieval · transformer · recipe small · "), "\(trained.output)")
    #expect(trained.output.contains(#/test at last \(step 4\) +[0-9.]+ %/#), "\(trained.output)")
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.file("runs")).first)
    let evaluated = try Program.lraTrain.run(
      ["eval", "runs/\(name)", "--split", "validation", "--json"], in: folder.path)
    #expect(evaluated.output.contains("\"n\":20"), "\(evaluated.output)\(evaluated.error)")
    let documents = try Program.lraTrain.run(
      ["eval", "runs/\(name)", "--split", "documents"], in: folder.path)
    #expect(documents.exit == 64)
    #expect(
      documents.error == """
        error: retrieval documents holds single sequences; the model compares pairs of documents
        name a dataset and a split of the model's task

        """)
  }
}
