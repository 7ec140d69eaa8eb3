/// Loss and accuracy of the recent steps of a run, and its speed since it started.
struct Meter {
  private(set) var loss = 0.0
  private(set) var accuracy = 0.0
  private var steps = 0
  private var seconds = 0.0
  private var waited = 0.0
  private var tokens = 0

  /// Adds a step.
  ///
  /// Recent means an exponential average over about twenty steps.
  mutating func add(loss: Double, accuracy: Double, seconds: Double, wait: Double, tokens: Int) {
    let share = max(0.05, 1 / Double(steps + 1))
    self.loss += share * (loss - self.loss)
    self.accuracy += share * (accuracy - self.accuracy)
    steps += 1
    self.seconds += seconds
    waited += wait
    self.tokens += tokens
  }

  /// Steps per second since the start.
  var stepsPerSecond: Double { seconds > 0 ? Double(steps) / seconds : 0 }

  /// Real tokens per second since the start.
  var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }

  /// Share of the time that went into waiting for data.
  var wait: Double { seconds > 0 ? waited / seconds : 0 }
}
