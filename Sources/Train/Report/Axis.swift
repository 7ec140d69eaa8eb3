import Foundation

/// A scale from values to places, with round ticks.
struct Axis {
  let isLog: Bool
  let lower: Double
  let upper: Double
  let ticks: [(value: Double, label: String)]

  /// An axis that holds all values, with at least two ticks.
  ///
  /// - Parameters:
  ///   - values: positive ones for a logarithmic axis; others are passed over.
  ///   - format: the label of a tick.
  ///   - labelled: values that get the ticks, instead of round ones.
  init(
    _ values: [Double], log isLog: Bool = false, fromZero: Bool = false, labelled: [Double] = [],
    format: (Double) -> String
  ) {
    self.isLog = isLog
    let usable = values.filter { $0.isFinite && (!isLog || $0 > 0) }
    let least = fromZero ? min(0, usable.min() ?? 0) : usable.min() ?? (isLog ? 1 : 0)
    let most = usable.max() ?? (isLog ? 10 : 1)
    var marks = isLog ? Axis.powers(least, most) : Axis.round(least, most)
    if labelled.isEmpty {
      lower = min(least, marks.first ?? least)
      upper = max(most, marks.last ?? most)
    } else {
      (lower, upper) = isLog ? (least / 1.1, most * 1.1) : (least, most)
      marks = labelled
    }
    ticks = marks.map { ($0, format($0)) }
  }

  /// Where a value lies, from 0 to 1.
  func place(_ value: Double) -> Double {
    let (a, b, v) = isLog ? (log(lower), log(upper), log(value)) : (lower, upper, value)
    return b > a ? (v - a) / (b - a) : 0.5
  }

  /// Multiples of 1, 2 or 5 times a power of ten around a range, four to eight of them.
  static func round(_ least: Double, _ most: Double) -> [Double] {
    let range = max(most - least, most == 0 ? 1 : abs(most) * 0.05)
    let rough = range / 5
    let power = pow(10, log10(rough).rounded(.down))
    let step = ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10) * power
    let first = (least / step).rounded(.down)
    let last = max((most / step).rounded(.up), first + 1)
    return (Int(first)...Int(last)).map { Double($0) * step }
  }

  /// 1, 2 and 5 times powers of ten around a range; powers alone when it spans many.
  static func powers(_ least: Double, _ most: Double) -> [Double] {
    let (first, last) = (Int(log10(least).rounded(.down)), Int(log10(most).rounded(.up)))
    let digits: [Double] = last - first > 3 ? [1] : [1, 2, 5]
    let all = (first...max(last, first + 1)).flatMap { power in
      digits.map { $0 * pow(10, Double(power)) }
    }
    let from = all.lastIndex { $0 <= least * 1.000001 } ?? 0
    let to = all.firstIndex { $0 >= most * 0.999999 } ?? all.count - 1
    return Array(all[from...max(to, min(from + 1, all.count - 1))])
  }
}
