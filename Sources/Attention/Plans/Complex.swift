import Tensors

/// Complex numbers as two real tensors, so that products of them are real ones.
struct Complex {
  let re: Tensor
  let im: Tensor

  init(_ re: Tensor, _ im: Tensor) { (self.re, self.im) = (re, im) }

  /// Numbers whose parts are the last dimension, of size 2.
  init(parts: Tensor) throws { self.init(try parts.select(0, -1), try parts.select(1, -1)) }

  private func map(_ body: (Tensor) throws -> Tensor) rethrows -> Complex {
    Complex(try body(re), try body(im))
  }

  /// The product, with broadcasting.
  func times(_ b: Complex) throws -> Complex {
    Complex(try re * b.re - im * b.im, try re * b.im + im * b.re)
  }

  /// The quotient.
  func over(_ b: Complex) throws -> Complex {
    let size = try b.re * b.re + b.im * b.im
    return Complex(try (re * b.re + im * b.im) / size, try (im * b.re - re * b.im) / size)
  }

  /// eᶻ.
  func exponential() throws -> Complex {
    let size = try re.exp()
    return Complex(try size * im.cos(), try size * im.sin())
  }

  /// z - 1.
  func minusOne() throws -> Complex { Complex(try re + -1, im) }

  /// `e^{z step k}` of every k of a range, along a new last dimension.
  ///
  /// The exponents are made in this type, the powers in the other.
  func powers(_ range: Range<Int>, every step: Int, _ type: ElementType) throws -> Complex {
    let places = try (Tensor.integers(range).to(re.elementType) * Double(step)).to(re.device)
    return try map { try ($0.unsqueezed(-1) * places).to(type) }.exponential()
  }

  /// The same numbers as another type.
  func to(_ type: ElementType) throws -> Complex { try map { try $0.to(type) } }

  /// A new dimension of size 1.
  func unsqueezed(_ dimension: Int) throws -> Complex { try map { try $0.unsqueezed(dimension) } }

  /// Two dimensions exchanged.
  func transposed(_ a: Int, _ b: Int) throws -> Complex { try map { try $0.transposed(a, b) } }
}
