namespace SgLang.BindingsGen.Model;

/// <summary>A parser of C. It reports declarations in any order, without comments, and every type as the header spells it.</summary>
internal interface IHeaderReader
{
    /// <summary>Declarations of `sgl.h` and of the headers beside it that it includes; system headers are left out.</summary>
    IEnumerable<Declaration> Read(string umbrellaHeader);
}
