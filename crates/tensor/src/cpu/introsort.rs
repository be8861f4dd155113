//! Sorting that leaves equal elements in the order in which PyTorch's does: `std::sort`, `std::partial_sort` and
//! `std::nth_element` step by step as libstdc++ has them, and PyTorch's own quick selection.
//!
//! Where no two elements are equal any other algorithm gives the same, faster ones among them: these here are for
//! ties alone. Elements are compared by `less`, a strict order, which keeps the unguarded loops inside the slice.

/// Slices up to this length are sorted by insertion, which keeps the order of equal elements.
pub(crate) const SHORT: usize = 16;

/// `std::sort`.
pub(crate) fn sort<T: Copy>(a: &mut [T], less: impl Fn(&T, &T) -> bool + Copy) {
    if a.len() > 1 {
        sort_loop(a, 2 * a.len().ilog2(), less);
        let (head, _) = a.split_at_mut(SHORT.min(a.len()));
        insertion_sort(head, less);
        for i in SHORT..a.len() {
            insert(a, i, less);
        }
    }
}

/// Partitions until parts are short; heap sort where that goes on for too long.
fn sort_loop<T: Copy>(mut a: &mut [T], mut depth: u32, less: impl Fn(&T, &T) -> bool + Copy) {
    while a.len() > SHORT {
        if depth == 0 {
            return partial_sort(a, a.len(), less);
        }
        depth -= 1;
        let cut = partition(a, less);
        let (low, high) = a.split_at_mut(cut);
        sort_loop(high, depth, less);
        a = low;
    }
}

/// `std::nth_element`: `a[n]` is what stands there in order, nothing before it is greater, nothing behind less.
pub(crate) fn nth_element<T: Copy>(a: &mut [T], n: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    if n >= a.len() {
        return;
    }
    let (mut first, mut last, mut depth) = (0, a.len(), 2 * a.len().ilog2());
    while last - first > 3 {
        if depth == 0 {
            heap_select(&mut a[first..last], n + 1 - first, less);
            return a.swap(first, n);
        }
        depth -= 1;
        let cut = first + partition(&mut a[first..last], less);
        if cut <= n { first = cut } else { last = cut }
    }
    insertion_sort(&mut a[first..last], less);
}

/// `std::partial_sort`: the least `middle` elements in order come first.
pub(crate) fn partial_sort<T: Copy>(a: &mut [T], middle: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    heap_select(a, middle, less);
    for last in (1..middle).rev() {
        pop_heap(a, last, last, less);
    }
}

/// The median of three goes first; returns where the elements not less than it begin.
fn partition<T: Copy>(a: &mut [T], less: impl Fn(&T, &T) -> bool + Copy) -> usize {
    let (x, y, z) = (1, a.len() / 2, a.len() - 1);
    let median = if less(&a[x], &a[y]) {
        if less(&a[y], &a[z]) {
            y
        } else if less(&a[x], &a[z]) {
            z
        } else {
            x
        }
    } else if less(&a[x], &a[z]) {
        x
    } else if less(&a[y], &a[z]) {
        z
    } else {
        y
    };
    a.swap(0, median);
    let (pivot, mut first, mut last) = (a[0], 1, a.len());
    loop {
        while less(&a[first], &pivot) {
            first += 1;
        }
        last -= 1;
        while less(&pivot, &a[last]) {
            last -= 1;
        }
        if first >= last {
            return first;
        }
        a.swap(first, last);
        first += 1;
    }
}

fn insertion_sort<T: Copy>(a: &mut [T], less: impl Fn(&T, &T) -> bool + Copy) {
    for i in 1..a.len() {
        if less(&a[i], &a[0]) { a[..=i].rotate_right(1) } else { insert(a, i, less) }
    }
}

/// Moves `a[i]` before the greater ones that stand before it, of which the first element is none.
fn insert<T: Copy>(a: &mut [T], mut i: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    let value = a[i];
    while less(&value, &a[i - 1]) {
        a[i] = a[i - 1];
        i -= 1;
    }
    a[i] = value;
}

/// A heap of the least `middle` elements, the greatest of them first.
fn heap_select<T: Copy>(a: &mut [T], middle: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    if middle == 0 {
        return;
    }
    for parent in (0..middle / 2).rev() {
        adjust_heap(a, parent, middle, a[parent], less);
    }
    for i in middle..a.len() {
        if less(&a[i], &a[0]) {
            pop_heap(a, middle, i, less);
        }
    }
}

/// Exchanges the head of the heap `a[..len]` for `a[to]`.
fn pop_heap<T: Copy>(a: &mut [T], len: usize, to: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    let value = a[to];
    a[to] = a[0];
    adjust_heap(a, 0, len, value, less);
}

/// Puts `value` into the heap `a[..len]`, whose place `hole` is free: down to a leaf first, then up.
fn adjust_heap<T: Copy>(a: &mut [T], mut hole: usize, len: usize, value: T, less: impl Fn(&T, &T) -> bool + Copy) {
    let top = hole;
    let mut child = hole;
    while child < (len - 1) / 2 {
        child = 2 * (child + 1);
        if less(&a[child], &a[child - 1]) {
            child -= 1;
        }
        a[hole] = a[child];
        hole = child;
    }
    if len.is_multiple_of(2) && len >= 2 && child == (len - 2) / 2 {
        child = 2 * (child + 1);
        a[hole] = a[child - 1];
        hole = child - 1;
    }
    while hole > top && less(&a[(hole - 1) / 2], &value) {
        a[hole] = a[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    a[hole] = value;
}

/// PyTorch's `quick_select_template`: `a[k]` is what stands there in order.
pub(crate) fn quick_select<T: Copy>(a: &mut [T], k: usize, less: impl Fn(&T, &T) -> bool + Copy) {
    let (mut left, mut right) = (0, a.len() - 1);
    while right > left {
        if right == left + 1 {
            if less(&a[right], &a[left]) {
                a.swap(left, right);
            }
            return;
        }
        // The median of three stands first.
        a.swap(left + (right - left) / 2, left + 1);
        for (x, y) in [(left + 1, right), (left, right), (left + 1, left)] {
            if less(&a[y], &a[x]) {
                a.swap(x, y);
            }
        }
        let (mut i, mut j, pivot) = (left + 1, right, a[left]);
        loop {
            i += 1;
            while less(&a[i], &pivot) {
                i += 1;
            }
            j -= 1;
            while less(&pivot, &a[j]) {
                j -= 1;
            }
            if j < i {
                break;
            }
            a.swap(i, j);
        }
        a.swap(left, j);
        if j <= k {
            left = i;
        }
        if j >= k {
            if j == 0 {
                return;
            }
            right = j - 1;
        }
    }
}
