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

  /// Whether system calls can be made to fail here.
  private var canTrace: Bool {
    let probe = try? Program(path: "/usr/bin/strace").run(
      ["-qq", "-e", "trace=none", "/bin/true"], in: "/")
    if probe?.exit == 0 { return true }
    print("skipped: strace is not installed or not permitted here (apt-get install strace)")
    return false
  }

  @Test("a failing call never leaves a wrong file, and the same command then completes")
  func failing() throws {
    if canTrace { try script("faulty_calls.py") }
  }

  @Test("files are synchronised before they get their name; short writes change nothing")
  func order() throws {
    if canTrace { try script("write_order.py") }
  }

  @Test("every flipped bit and every cut is found or changes nothing")
  func flipped() throws {
    try script("flipped_bits.py", "--flips", "50", "--step", "32768")
  }
}
