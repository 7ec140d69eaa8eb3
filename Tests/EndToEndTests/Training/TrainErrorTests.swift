import Foundation
import Testing
import ToolRunner

/// What a wrong command gives: exit code, then stderr.
@Suite("errors of lra-train", .serialized)
struct TrainErrorTests {
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let made = try folder.data(
      "gen", "listops", "--len", "64", "--train", "200", "--validation", "20", "--test", "20",
      "--shard-examples", "128", "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  /// Runs lra-train in a folder, with variables of the environment through env(1).
  private func train(
    _ folder: TemporaryFolder, _ arguments: [String], _ variables: [String] = []
  ) throws -> Outcome {
    try Program(path: "/usr/bin/env").run(
      variables + [Program.lraTrain.path] + arguments, in: folder.path)
  }

  private func expect(
    _ folder: TemporaryFolder, _ arguments: [String], exit: Int32, _ error: String
  ) throws {
    let outcome = try train(folder, arguments)
    #expect(outcome.exit == exit)
    #expect(outcome.error == error)
    #expect(outcome.output == "")
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
  }

  @Test("recipe keys that are unknown, wrong or do not divide are named, all at once")
  func recipe() throws {
    let folder = try folder()
    try expect(
      folder, ["--set", "model.num_head=4"], exit: 64,
      "error: recipe key model.num_head is unknown; did you mean model.num_heads?\n")
    try expect(
      folder, ["--set", "model.num_heads=3", "--set", "train.batch_size=0"], exit: 64,
      """
      error: recipe key train.batch_size must be a whole number of at least 1, found 0
      model.num_heads = 3 does not divide model.qkv_dim = 64

      """)
    try expect(
      folder, ["--recipe", "smal"], exit: 64,
      "error: recipe smal is neither a file nor one of demo, modern, paper, published, "
        + "released, skyformer, small\n")
  }

  @Test("a missing database says how to make one")
  func database() throws {
    try expect(
      TemporaryFolder(), [], exit: 1,
      """
      error: data.sqlite does not exist
      make it with: lra-data gen listops --db data.sqlite

      """)
  }

  @Test("a dataset or a task that is not there, several datasets without a usual one")
  func choice() throws {
    let folder = try folder()
    try expect(
      folder, ["--dataset", "listops-65"], exit: 64,
      """
      error: data.sqlite holds no dataset listops-65; it holds: listops-64
      see them with: lra-data ls --db data.sqlite

      """)
    try expect(
      folder, ["--task", "text"], exit: 64,
      """
      error: data.sqlite holds no dataset of task text; it holds: listops-64
      see them with: lra-data ls --db data.sqlite

      """)
    let more = try folder.data(
      "gen", "listops", "--len", "64", "--seed", "1", "--name", "other", "--train", "20",
      "--validation", "5", "--test", "5", "--quiet")
    #expect(more.exit == 0)
    try expect(
      folder, [], exit: 64,
      """
      error: data.sqlite holds 2 datasets of listops; choose one with --dataset: listops-64, other
      see them with: lra-data ls --db data.sqlite

      """)
    let update = try Program.python(
      """
      import sqlite3
      database = sqlite3.connect("data.sqlite")
      database.execute("UPDATE dataset SET task='text' WHERE name='other'")
      database.commit()
      """, in: folder.path)
    #expect(update.exit == 0, "\(update.error)")
    try expect(
      folder, [], exit: 64,
      """
      error: data.sqlite holds 2 datasets; choose one with --task: listops, text
      see them with: lra-data ls --db data.sqlite

      """)
  }

  @Test("an unknown model, device, kernel tier and thread count")
  func machine() throws {
    let folder = try folder()
    try expect(
      folder, ["--model", "bigbirb"], exit: 64,
      "error: model bigbirb is unknown\nchoose one of: transformer, local, sparse_transformer, "
        + "longformer, bigbird, linformer, reformer, sinkhorn, synthesizer, linear, performer, "
        + "performer_relu, nystromformer, luna, cosformer, fnet, routing_transformer, "
        + "memory_compressed, image_transformer, transformer_xl, compressive_transformer, kernelized, "
        + "skyformer, informer, taylor, s4d, s5, lru, long_conv, sgconv, set_transformer, star_transformer, low_rank, rwkv, looped\n"
    )
    try expect(
      folder, ["--set", "model.mixer.block=3"], exit: 64,
      """
      error: recipe key model.mixer.block is unknown to transformer
      its keys: uniform_padded_queries

      """)
    try expect(
      folder, ["--device", "gpu"], exit: 64,
      "error: device gpu is unknown\nchoose cpu, cuda, cuda:N or auto\n")
    try expect(
      folder, ["--threads", "0"], exit: 64, "error: --threads 0: at least one is needed\n")
    let tier = try train(folder, ["--quiet"], ["LRA_CPU=avx1024"])
    #expect(tier.exit == 64)
    #expect(
      tier.error.contains(
        #/^error: kernel tier avx1024 is unknown or not in this CPU; it has: [a-z0-9_, ]+\nunset LRA_CPU\n$/#
      ))
  }

  @Test("errors are one JSON object with --json")
  func json() throws {
    let outcome = try train(folder(), ["--json", "--set", "model.num_head=4"])
    #expect(outcome.exit == 64 && outcome.error == "")
    #expect(
      outcome.output == """
        {"error":{"code":"usage","exit":64,\
        "message":"recipe key model.num_head is unknown; did you mean model.num_heads?",\
        "next":null,"path":null,"position":null},"schema":1}

        """)
  }

  @Test("a shard damaged on the disk exits 4, names the example and how to repair it")
  func damagedShard() throws {
    let folder = try folder()
    let path = folder.file("data/listops-64/train-00001.npy")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[300] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let outcome = try train(folder, ["--set", "train.num_train_steps=30", "--quiet"])
    #expect(outcome.exit == 4)
    #expect(
      outcome.error.wholeMatch(
        of:
          #/error: listops-64 train/[0-9]+ does not match its checksum \(shard train-00001.npy, offset [0-9]+\)\nverify and repair with: lra-data verify --repair --db data.sqlite\n/#
      ) != nil, "\(outcome.error)")
    #expect(try folder.data("verify", "--repair", "--quiet").exit == 0)
  }
}
