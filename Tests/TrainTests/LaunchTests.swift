import Testing

@testable import Train

@Suite struct LaunchTests {
  @Test("without a launcher a process is alone; a batch script of Slurm is no launcher")
  func alone() throws {
    #expect(try Launch([:]) == Launch())
    #expect(
      try Launch(["SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"]) == Launch())
    #expect(try Launch(["WORLD_SIZE": "1", "RANK": "0"]).world == 1)
  }

  @Test("torchrun's variables say everything")
  func torchrun() throws {
    let launch = try Launch([
      "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
      "MASTER_ADDR": "node3", "MASTER_PORT": "29500", "TORCHELASTIC_USE_AGENT_STORE": "True",
      "TORCHELASTIC_RESTART_COUNT": "2", "SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0",
    ])
    #expect(launch.rank == 5 && launch.world == 8)
    #expect(launch.localRank == 1 && launch.localWorld == 4)
    #expect(launch.address == "node3" && launch.port == 29_500)
    #expect(launch.launcherServes && launch.meeting == "lra-2")
  }

  @Test("a step of srun says where its first node is; MASTER_ADDR and MASTER_PORT win")
  func slurm() throws {
    var variables = [
      "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "5", "SLURM_LOCALID": "0",
      "SLURM_STEP_TASKS_PER_NODE": "2(x2),1", "SLURM_STEP_NODELIST": "gpu[07-08,12],login",
      "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "3",
    ]
    let launch = try Launch(variables)
    #expect(launch.rank == 2 && launch.world == 5 && launch.localWorld == 2)
    #expect(launch.address == "gpu07" && (20_000..<40_000).contains(launch.port))
    #expect(!launch.launcherServes)
    variables["MASTER_ADDR"] = "10.0.0.1"
    variables["MASTER_PORT"] = "1234"
    #expect(try Launch(variables).address == "10.0.0.1")
    #expect(try Launch(variables).port == 1234)
  }

  @Test(
    "the first node of Slurm's lists",
    arguments: [
      ("node1", "node1"), ("node1,node2", "node1"), ("node[1-4]", "node1"),
      ("a,b[1-2]", "a"), ("rack[03-05,9]-x,login", "rack03-x"),
    ])
  func nodes(list: String, first: String) {
    #expect(Launch.firstNode(list) == first)
  }

  @Test(
    "a variable that is missing or nonsense is named",
    arguments: [
      (["RANK": "0"], "WORLD_SIZE is not set, though this is one of several processes"),
      (["RANK": "x", "WORLD_SIZE": "2"], "RANK is x; it is a number from 0 to 1"),
      (
        ["RANK": "0", "WORLD_SIZE": "2"],
        "MASTER_ADDR is not set, though this is one of several processes"
      ),
      (
        ["RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "0"],
        "MASTER_PORT is 0; it is a number from 1 to 65535"
      ),
    ])
  func wrong(variables: [String: String], message: String) {
    let error = #expect(throws: TrainError.self) { try Launch(variables) }
    #expect(error?.message == message && error?.code == .usage)
  }
}
