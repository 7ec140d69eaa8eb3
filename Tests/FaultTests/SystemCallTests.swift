import Foundation
import Testing
import ToolRunner

/// Short forms of what `Tests/long-faults.sh` runs in full.
@Suite("system calls that fail, and damaged bytes", .serialized)
struct SystemCallTests {
  /// Runs a script of this folder on the tool.
  private func script(_ name: String, _ arguments: String...) throws {
    let path = "\(Program.package)/Tests/FaultTests/\(name)"
    let outcome = try Program.python.run(
      [path, Program.lraData.path] + arguments, in: NSTemporaryDirectory())
    #expect(outcome.exit == 0, "\(outcome.output)\(outcome.error)")
    print(outcome.output.split(separator: "\n").last.map(String.init) ?? "")
  }

  @Test(
    "a failing call never leaves a wrong file, and the same command then completes",
    .enabled(if: Capability.traces, "strace is not installed or not permitted here"))
  func failing() throws {
    try script("faulty_calls.py")
  }

  @Test(
    "files are synchronised before they get their name; short writes change nothing",
    .enabled(if: Capability.traces, "strace is not installed or not permitted here"))
  func order() throws {
    try script("write_order.py")
  }

  @Test("every flipped bit and every cut is found or changes nothing")
  func flipped() throws {
    try script("flipped_bits.py", "--flips", "50", "--step", "32768")
  }
}
