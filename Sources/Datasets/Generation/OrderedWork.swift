import Foundation

/// Runs numbered pieces of work on several threads and commits their results in order.
///
/// A thread holds its result until its turn, so at most `threads` results are in memory. After a failure
/// no new piece is begun; pieces before the failed one are still committed.
enum OrderedWork {
  static func run<Output>(
    count: Int, threads: Int, work: @escaping @Sendable (Int) throws -> Output,
    commit: @escaping @Sendable (Int, Output) throws -> Void
  ) throws {
    let turns = Turns(count: count)
    let finished = DispatchGroup()
    for _ in 0..<max(1, min(threads, count)) {
      finished.enter()
      let thread = Thread {
        defer { finished.leave() }
        while let number = turns.next() {
          do {
            let output = try work(number)
            guard turns.wait(for: number) else { return }
            try commit(number, output)
            turns.committed(number)
          } catch {
            return turns.failed(number, error)
          }
        }
      }
      thread.stackSize = 1 << 21
      thread.start()
    }
    finished.wait()
    if let error = turns.failure { throw error }
  }

  /// Who may begin what, and whose turn it is to commit.
  private final class Turns: @unchecked Sendable {
    private let condition = NSCondition()
    private let count: Int
    private var begun = 0
    private var done = 0
    private var failed: (number: Int, error: any Error)?

    init(count: Int) {
      self.count = count
    }

    var failure: (any Error)? { locked { failed?.error } }

    func next() -> Int? {
      locked {
        guard failed == nil, begun < count else { return nil }
        begun += 1
        return begun - 1
      }
    }

    /// Waits until all earlier pieces are committed; false when one of them failed.
    func wait(for number: Int) -> Bool {
      locked {
        while done < number {
          if let failed, failed.number < number { return false }
          condition.wait()
        }
        return true
      }
    }

    func committed(_ number: Int) {
      locked {
        done = number + 1
        condition.broadcast()
      }
    }

    func failed(_ number: Int, _ error: any Error) {
      locked {
        if failed.map({ number < $0.number }) ?? true { failed = (number, error) }
        condition.broadcast()
      }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
      condition.lock()
      defer { condition.unlock() }
      return body()
    }
  }
}
