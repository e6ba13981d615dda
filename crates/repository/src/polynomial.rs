//! The chunker polynomial of a repository's config.
//!
//! restic refuses a config whose polynomial is not irreducible over GF(2). Our chunker only takes its seed from it, but
//! restic chunks with it when someone backs up into the repository by hand.

use crate::crypto::fill_random;
use crate::error::RepositoryError;

const DEGREE: u32 = 53;

/// A random irreducible polynomial of degree 53, coefficients as bits.
pub(crate) fn generate() -> Result<u64, RepositoryError> {
    loop {
        let mut bytes = [0; 8];
        fill_random(&mut bytes)?;
        let below_degree = u64::from_le_bytes(bytes) & ((1 << DEGREE) - 1);
        // About one in 27 of these is irreducible: without the lowest bit, x would divide it.
        let candidate = below_degree | 1 << DEGREE | 1;
        if is_irreducible(candidate) {
            return Ok(candidate);
        }
    }
}

/// Ben-Or's test: no factor of degree i exists when f and x^(2^i) − x have nothing in common, for all i up to half the degree.
pub(crate) fn is_irreducible(polynomial: u64) -> bool {
    let Some(degree) = degree(polynomial).filter(|degree| (1..=DEGREE).contains(degree)) else {
        return false;
    };
    let mut power = reduce(0b10, polynomial);
    for _ in 0..degree / 2 {
        power = multiply(power, power, polynomial);
        if greatest_common_divisor(polynomial, power ^ reduce(0b10, polynomial)) != 1 {
            return false;
        }
    }
    true
}

fn degree(polynomial: u64) -> Option<u32> {
    polynomial.checked_ilog2()
}

fn reduce(mut value: u64, modulus: u64) -> u64 {
    let modulus_degree = modulus.ilog2();
    while let Some(value_degree) = degree(value).filter(|degree| *degree >= modulus_degree) {
        value ^= modulus << (value_degree - modulus_degree);
    }
    value
}

fn multiply(left: u64, right: u64, modulus: u64) -> u64 {
    let mut product = 0;
    let mut shifted = reduce(left, modulus);
    for bit in 0..=modulus.ilog2() {
        if right >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = reduce(shifted << 1, modulus);
    }
    product
}

fn greatest_common_divisor(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, reduce(left, right));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_polynomials_are_judged_right() {
        // x^53 + x^6 + x^2 + x + 1 is in every table of irreducible polynomials; 0x3DA3358B4DC173 is restic's test value.
        for irreducible in [0b10, 0b11, 0b111, 0b1011, 1 << 53 | 0b100_0111, 0x3D_A335_8B4D_C173] {
            assert!(is_irreducible(irreducible), "{irreducible:#x}");
        }
        // x^2, x^2 + 1 = (x + 1)^2, x^4 + x^2 + 1 = (x^2 + x + 1)^2, x^53 + 1, and constants.
        for reducible in [0, 1, 0b100, 0b101, 0b1_0101, 1 << 53 | 1] {
            assert!(!is_irreducible(reducible), "{reducible:#x}");
        }
    }

    #[test]
    fn products_are_found_reducible() {
        // (x^26 + …)(x^27 + …) without reduction.
        let (left, right) = (1_u64 << 26 | 0b100_0111, 1_u64 << 27 | 0b10_0111);
        let product =
            (0..=27).filter(|bit| right >> bit & 1 == 1).fold(0, |sum, bit| sum ^ left << bit);
        assert!(!is_irreducible(product));
    }

    #[test]
    fn generated_ones_are_irreducible_and_differ() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert!(is_irreducible(first) && first.ilog2() == 53);
        assert_ne!(first, second);
    }
}
