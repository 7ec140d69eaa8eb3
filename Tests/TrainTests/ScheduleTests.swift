import Foundation
import Testing

@testable import Train

@Suite struct ScheduleTests {
  @Test(
    "the released listops schedule has the published values",
    arguments: [
      (1, 1.6e-6), (500, 7.906e-4), (1000, 1.5811e-3), (2000, 1.118e-3), (5000, 7.071e-4),
    ])
  func listops(step: Int, rate: Double) throws {
    var request = RecipeRequest(task: "listops")
    request.recipe = "released"
    let schedule = try Schedule(request.resolve())
    #expect(abs(schedule.learningRate(at: step) / rate - 1) < 0.02)
    #expect(abs(schedule.learningRate(at: step) - rate) < 2e-7)
  }

  @Test(
    "the released text schedule has the published values",
    arguments: [(4000, 2.795e-4), (8000, 5.59e-4), (20000, 3.536e-4)])
  func text(step: Int, rate: Double) throws {
    var request = RecipeRequest(task: "text")
    request.recipe = "released"
    #expect(abs(try Schedule(request.resolve()).learningRate(at: step) - rate) < 1e-7)
  }

  @Test(
    "the released image schedule has the published values",
    arguments: [(1, 2.857e-6), (175, 5e-4), (17675, 2.5e-4), (34999, 3.1e-8)])
  func image(step: Int, rate: Double) throws {
    var request = RecipeRequest(task: "image")
    request.recipe = "released"
    #expect(abs(try Schedule(request.resolve()).learningRate(at: step) / rate - 1) < 0.01)
  }

  @Test("the linear decay rises to the base, falls to 0 at the last step and stays there")
  func linearDecay() {
    let schedule = Schedule(
      factors: [.constant, .linearWarmup, .linearDecay], base: 2, warmup: 10, steps: 110)
    #expect(schedule.learningRate(at: 1) == 0.2)
    #expect(schedule.learningRate(at: 10) == 2)
    #expect(schedule.learningRate(at: 60) == 1)
    #expect(schedule.learningRate(at: 110) == 0 && schedule.learningRate(at: 500) == 0)
  }

  @Test(
    "one cycle has the rates and the beta1 of PyTorch's OneCycleLR",
    arguments: [
      // (steps, warm-up, step, rate of a base of 1e-4, beta1), from torch.optim.lr_scheduler 2.13
      (5000, 1000, 1, 4e-6, 0.95), (5000, 1000, 2, 4.096096096e-6, 0.9498998999),
      (5000, 1000, 1000, 1e-4, 0.85), (5000, 1000, 1001, 9.99750001e-5, 0.850025),
      (5000, 1000, 4999, 2.53999e-8, 0.949975), (5000, 1000, 5000, 4e-10, 0.95),
      (200, 7, 3, 3.6e-5, 0.9166666667), (200, 7, 103, 5.025926632e-5, 0.8997409326),
      (62400, 312, 156, 5.184565916e-5, 0.9001607718),
    ])
  func oneCycle(steps: Int, warmup: Int, step: Int, rate: Double, beta1: Double) throws {
    let schedule = Schedule(
      factors: [.constant, .oneCycle], base: 1e-4, warmup: warmup, steps: steps)
    #expect(abs(schedule.learningRate(at: step) / rate - 1) < 1e-6)
    #expect(abs(try #require(schedule.beta1(at: step)) - beta1) < 1e-9)
    #expect(schedule.learningRate(at: steps + 1) >= 0)
  }

  @Test("other schedules leave beta1 alone")
  func beta1() {
    let schedule = Schedule(factors: [.constant, .linearDecay], base: 1, warmup: 1, steps: 10)
    #expect(schedule.beta1(at: 5) == nil)
  }

  @Test("the normalised square root is 1 during the warm-up and halves at four times its length")
  func normalized() {
    let schedule = Schedule(
      factors: [.constant, .rsqrtNormalizedDecay], base: 1, warmup: 100, steps: 1000)
    #expect(schedule.learningRate(at: 7) == 1 && schedule.learningRate(at: 400) == 0.5)
  }

  @Test("no warm-up and a warm-up longer than the run are possible")
  func oddWarmups() {
    let none = Schedule(
      factors: [.constant, .linearWarmup, .rsqrtDecay], base: 1, warmup: 0, steps: 10)
    #expect(none.learningRate(at: 1) == 1 && none.learningRate(at: 4) == 0.5)
    let long = Schedule(
      factors: [.constant, .linearWarmup, .linearDecay], base: 1, warmup: 100, steps: 10)
    #expect(long.learningRate(at: 10) == 0.1)
  }

  @Test(
    "an unknown factor is no schedule",
    arguments: ["", "constant *", "constant * magic", "constant linear"])
  func unknown(text: String) { #expect(Schedule.parse(text) == nil) }
}
