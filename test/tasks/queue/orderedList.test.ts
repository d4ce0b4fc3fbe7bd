/** The ordered list against a sorted array. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {OrderedList} from '../../../coordinator/tasks/queue/orderedList.ts';

interface Member {
  readonly key: number;
  readonly id: number;
}

const before = (a: Member, b: Member): boolean => a.key < b.key || (a.key === b.key && a.id < b.id);

describe('Ordered list', () => {
  it('is a sorted array, whatever is inserted and deleted', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat({max: 50})), {maxLength: 1500}), steps => {
        const list = new OrderedList<Member>(before);
        const naive: Member[] = [];
        steps.forEach(([isInsert, key], id) => {
          if (isInsert || naive.length === 0) {
            const member = {key, id};
            list.insert(member);
            naive.push(member);
            naive.sort((a, b) => (before(a, b) ? -1 : 1));
          } else {
            const [gone] = naive.splice(key % naive.length, 1);
            if (gone) list.delete(gone);
          }
        });
        list.delete({key: 1000, id: -1});
        assert.equal(list.size, naive.length);
        assert.equal(list.first(), naive[0]);
        assert.deepEqual(list.head(naive.length + 1), naive);
      }),
      {numRuns: 40},
    );
  });
});
