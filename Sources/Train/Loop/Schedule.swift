import Foundation

/// The learning rate at every step, as a product of named factors in LRA's own notation.
///
/// `constant * linear_warmup * rsqrt_decay` and the like. With the 1-based step t, warm-up W and
/// the number of training steps T:
/// - `constant`: the base learning rate
/// - `linear_warmup`: min(1, t / W)
/// - `rsqrt_decay`: 1 / sqrt(max(t, W))
/// - `rsqrt_normalized_decay`: sqrt(W) / sqrt(max(t, W))
/// - `cosine_decay`: (1 + cos(pi p)) / 2 with p = max(0, (t - W) / T) mod 1
/// - `cosine_annealing`: 1 until t = W, then (1 + cos(pi (t - W) / (T - W))) / 2, 0 from t = T on
/// - `linear_decay`: 1 until t = W, then (T - t) / (T - W), 0 from t = T on
/// - `one_cycle`: from 1/25 at step 1 in a straight line to 1 at step W, down to 1/250,000 at step T:
///   `torch.optim.lr_scheduler.OneCycleLR` with its defaults and a linear course, which cycles Adam's
///   beta1 too
///
/// Tay et al. 2020, arXiv 2011.04006; the released `train_utils.create_learning_rate_scheduler`.
/// Deviation: `linear_decay`, `cosine_annealing` and `one_cycle` are not in the release; later work uses them.
public struct Schedule: Sendable, Equatable {
  /// One factor of the product.
  public enum Factor: String, Sendable, CaseIterable {
    /// The base learning rate.
    case constant
    /// A linear rise over the warm-up.
    case linearWarmup = "linear_warmup"
    /// The inverse square root of the step.
    case rsqrtDecay = "rsqrt_decay"
    /// The inverse square root of the step, 1 at the end of the warm-up.
    case rsqrtNormalizedDecay = "rsqrt_normalized_decay"
    /// Half a cosine over the training steps.
    case cosineDecay = "cosine_decay"
    /// Half a cosine from the end of the warm-up down to 0 at the last step.
    case cosineAnnealing = "cosine_annealing"
    /// A straight line down to 0 at the last step.
    case linearDecay = "linear_decay"
    /// Up and down in straight lines.
    case oneCycle = "one_cycle"
  }

  /// The factors in the order given.
  public let factors: [Factor]
  /// The base learning rate.
  public let base: Double
  /// Length of the warm-up in steps; 0 for none.
  public let warmup: Int
  /// Number of training steps, the end of the decays.
  public let steps: Int

  /// Makes a schedule from its parts.
  public init(factors: [Factor], base: Double, warmup: Int, steps: Int) {
    self.factors = factors
    self.base = base
    self.warmup = warmup
    self.steps = steps
  }

  /// The schedule that a recipe describes.
  ///
  /// - Throws: `usage` when a factor is unknown, which a resolved recipe excludes.
  public init(_ recipe: Recipe) throws {
    guard let factors = Schedule.parse(recipe.schedule.factors) else {
      throw TrainError.recipe([.factors(recipe.schedule.factors)])
    }
    self.init(
      factors: factors, base: recipe.optimizer.learningRate, warmup: recipe.schedule.warmup,
      steps: recipe.train.numTrainSteps)
  }

  /// The factors of a text such as `constant * linear_warmup`, nil when one is unknown.
  public static func parse(_ text: String) -> [Factor]? {
    var factors: [Factor] = []
    for part in text.split(separator: "*", omittingEmptySubsequences: false) {
      let name = part.trimmingCharacters(in: .whitespaces)
      guard let factor = Factor(rawValue: name) else { return nil }
      factors.append(factor)
    }
    return factors
  }

  /// The learning rate of a step, counted from 1.
  public func learningRate(at step: Int) -> Double {
    factors.reduce(1) { $0 * value(of: $1, at: Double(step)) }
  }

  /// Adam's beta1 of a step, counted from 1, under `one_cycle`: .95 at the ends of the cycle, .85 at its
  /// top; nil under other factors, which leave it alone.
  public func beta1(at step: Int) -> Double? {
    factors.contains(.oneCycle) ? 0.95 - 0.1 * height(at: Double(step)) : nil
  }

  /// How high in the cycle a step is: 0 at step 1, 1 at the end of the warm-up, 0 at the last step.
  private func height(at step: Double) -> Double {
    let top = Double(warmup)
    if step <= top { return warmup > 1 ? (step - 1) / (top - 1) : 1 }
    return max(0, (Double(steps) - step) / max(1, Double(steps) - top))
  }

  private func value(of factor: Factor, at step: Double) -> Double {
    let warmup = Double(self.warmup)
    switch factor {
    case .constant: return base
    case .linearWarmup: return warmup > 0 ? min(1, step / warmup) : 1
    case .rsqrtDecay: return 1 / max(step, warmup, 1).squareRoot()
    case .rsqrtNormalizedDecay: return (max(warmup, 1) / max(step, warmup, 1)).squareRoot()
    case .cosineDecay:
      let progress = max(0, (step - warmup) / Double(steps)).truncatingRemainder(dividingBy: 1)
      return max(0, 0.5 * (1 + cos(.pi * progress)))
    case .cosineAnnealing:
      let progress = (step - warmup) / max(1, Double(steps) - warmup)
      return 0.5 * (1 + cos(.pi * min(1, max(0, progress))))
    case .linearDecay:
      guard step > warmup else { return 1 }
      return max(0, (Double(steps) - step) / max(1, Double(steps) - warmup))
    case .oneCycle:
      let low = step <= warmup ? 1 / 25.0 : 1 / 250_000.0
      return low + (1 - low) * height(at: step)
    }
  }
}
